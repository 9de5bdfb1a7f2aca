// The only test config. A test's suffix says what it needs: `.test.ts` nothing,
// `.redis.test.ts` a redis-server, `.pg.test.ts` PostgreSQL, `.live.test.ts` both.
// `test/versions` belongs to the full run alone: it needs the project's whole history.
import { defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'

const needsServers = ['test/**/*.redis.test.ts', 'test/**/*.pg.test.ts', 'test/**/*.live.test.ts']
const apart = ['test/faults/**/*.test.ts', 'test/versions/**/*.test.ts']

// Packages are run from their sources, by the tests and by the global setup, which has an environment of its own.
const conditions = ['@kerp/source', ...defaultServerConditions]

export default defineConfig({
  ssr: { resolve: { conditions } },
  environments: { __vitest__: { resolve: { conditions } } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes when the machine has time for it.
    expect: { poll: { timeout: 20_000, interval: 20 } },
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'examples/*/test/*.test.ts'],
          exclude: [...needsServers, ...apart],
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: needsServers,
          exclude: apart,
          globalSetup: ['test/support/servers.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: process.env['KERP_TEST_FULL'] === '1' ? apart : apart.slice(0, 1),
          testTimeout: 600_000,
        },
      },
    ],
  },
})
