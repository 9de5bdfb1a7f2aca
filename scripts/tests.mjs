// Runs the tests and ends with the one line that says how they went.

import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { binOf, ROOT, runForeground } from './processes.mjs'

const SERVERS = ['redis-server', 'valkey-server']

/** Says which package to install when no Redis server is found on PATH. */
export function serverIsMissing() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  if (SERVERS.some((server) => folders.some((folder) => isExecutable(join(folder, server))))) return false
  console.error(
    'The tests need a Redis server on PATH: install the package redis-server (or valkey-server), ' +
      'for example with `apt-get install redis-server` or `brew install redis`, and run them again.',
  )
  return true
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Runs vitest over all projects; `--full` asks for the full counts, the rest goes to vitest as it is. */
export async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'kerp-tests-'))
  const countFile = join(folder, 'count.json')
  const full = args.includes('--full')
  const code = await runForeground(
    process.execPath,
    [
      binOf('vitest'),
      'run',
      '--reporter=default',
      `--reporter=${join(ROOT, 'scripts', 'count-reporter.mjs')}`,
      ...args.filter((arg) => arg !== '--full'),
    ],
    {
      cwd: ROOT,
      env: { ...process.env, KERP_TEST_COUNT_FILE: countFile, ...(full ? { KERP_TEST_FULL: '1' } : {}) },
    },
  )
  const count = readCount(countFile)
  rmSync(folder, { recursive: true, force: true })
  return conclude(code, count)
}

function readCount(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 0, complaints: ['vitest ended without a result'] }
  }
}

function conclude(code, { passed, failed, complaints }) {
  const reasons = [...complaints]
  if (passed + failed === 0) reasons.push('no tests ran')
  if (code !== 0 && failed + reasons.length === 0) reasons.push(`vitest ended with exit code ${code}`)
  for (const reason of reasons) console.log(`Counted as failed: ${reason}.`)
  console.log(`${passed} passed, ${failed + reasons.length} failed`)
  if (code !== 0) return code
  return failed + reasons.length === 0 ? 0 : 1
}
