// The only test config. A test's suffix says what it needs: `.test.ts` nothing,
// `.redis.test.ts` a redis-server, `.pg.test.ts` PostgreSQL, `.live.test.ts` both.
import { defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'

const needsServers = ['test/**/*.redis.test.ts', 'test/**/*.pg.test.ts', 'test/**/*.live.test.ts']

// Packages are run from their sources, by the tests and by the global setup, which has an environment of its own.
const conditions = ['@kerp/source', ...defaultServerConditions]

export default defineConfig({
  ssr: { resolve: { conditions } },
  environments: { __vitest__: { resolve: { conditions } } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...needsServers, 'test/faults/**'] },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: needsServers,
          exclude: ['test/faults/**'],
          globalSetup: ['test/support/servers.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
