// The only test config. A test's suffix says what it needs: `.test.ts` nothing,
// `.redis.test.ts` a redis-server, `.pg.test.ts` PostgreSQL, `.live.test.ts` both.
// What takes long by nature stands in `test/runs.json` and belongs to `npm run test:faults`.
import { readFileSync } from 'node:fs'
import { defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'

const needsServers = ['test/**/*.redis.test.ts', 'test/**/*.pg.test.ts', 'test/**/*.live.test.ts']
const runs = JSON.parse(readFileSync(new URL('test/runs.json', import.meta.url), 'utf8')) as {
  readonly faults: string[]
}

// Packages are run from their sources, by the tests and by the global setup, which has an environment of its own.
const conditions = ['@kerp/source', ...defaultServerConditions]

export default defineConfig({
  ssr: { resolve: { conditions } },
  environments: { __vitest__: { resolve: { conditions } } },
  test: {
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // What is waited for comes when the machine has time for it.
    expect: { poll: { timeout: 20_000, interval: 20 } },
    pool: 'forks',
    maxWorkers: 2,
    setupFiles: ['test/support/silent-log.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'examples/*/test/*.test.ts'],
          exclude: [...needsServers, ...runs.faults],
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: needsServers,
          exclude: runs.faults,
          globalSetup: ['test/support/servers.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: runs.faults,
          globalSetup: ['test/support/servers.ts'],
          testTimeout: 600_000,
        },
      },
    ],
  },
})
