// Runs the tests: first brings what they need, last says how they went, what took longest, and what could not run.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandFor, hasPreviousVersion, missingParts, testFiles } from './parts.mjs'
import { binOf, ROOT, runForeground } from './processes.mjs'

/** The runs and the projects of `vitest.config.ts` that belong to them. */
const RUNS = {
  test: ['unit', 'servers'],
  unit: ['unit'],
  faults: ['faults'],
  full: ['unit', 'servers', 'faults'],
}

/** What a whole history shows; a copy of the tree alone has none. */
const VERSIONS = /^test\/versions\//

/**
 * Brings what the tests of a run need. Resolves with what could not be brought: the files that cannot run, and why.
 */
export async function prepareTests(run) {
  const files = testFiles().filter((path) => RUNS[run].includes(projectOf(path)))
  const parts = await missingParts(files)
  const missing = parts.map((part) => ({ files: part.files, why: part.name }))
  const versions = files.filter((path) => VERSIONS.test(path))
  if (versions.length > 0 && !(await hasPreviousVersion())) {
    missing.push({ files: versions, why: 'the whole history (`git fetch --unshallow`)' })
  }
  return { missing, command: parts.length > 0 ? commandFor(parts) : undefined }
}

/**
 * Runs the vitest projects of a run without the files that cannot run. Of `args`, `--strict` makes these a failure, and
 * `--full` asks for the full counts; the rest goes to vitest as it is, and a file among it is found in whatever run.
 */
export async function runTests(run, args, { missing, command }) {
  const folder = mkdtempSync(join(tmpdir(), 'kerp-tests-'))
  const countFile = join(folder, 'count.json')
  const isFull = run === 'full' || args.includes('--full')
  const given = args.filter((arg) => arg !== '--full' && arg !== '--strict')
  const projects = given.some((arg) => !arg.startsWith('-')) ? RUNS.full : RUNS[run]
  const absent = [...new Set(missing.flatMap(({ files }) => files))]
  const code = await runForeground(
    process.execPath,
    [
      binOf('vitest'),
      'run',
      '--reporter=default',
      `--reporter=${join(ROOT, 'scripts', 'count-reporter.mjs')}`,
      ...projects.map((project) => `--project=${project}`),
      ...absent.map((path) => `--exclude=${path}`),
      ...given,
    ],
    {
      cwd: ROOT,
      env: { ...process.env, KERP_TEST_COUNT_FILE: countFile, ...(isFull ? { KERP_TEST_FULL: '1' } : {}) },
    },
  )
  const count = readCount(countFile)
  rmSync(folder, { recursive: true, force: true })
  printSlowest(count.slowest ?? [])
  printMissing(missing, command)
  if (args.includes('--strict')) count.complaints.push(...absent.map((path) => `${path} could not run`))
  return conclude(code, count)
}

function projectOf(path) {
  const isFault = faultPatterns().some((pattern) => pattern.test(path))
  if (isFault) return 'faults'
  return /\.(redis|pg|live)\.test\.ts$/.test(path) ? 'servers' : 'unit'
}

/** Of `test/runs.json`, whose globs know `*` and a folder `**`. */
function faultPatterns() {
  return readRuns().faults.map((glob) => {
    const source = glob
      .replaceAll('.', '\\.')
      .replaceAll('**/', '\0')
      .replaceAll('*', '[^/]*')
      .replaceAll('\0', '(?:.*/)?')
    return new RegExp(`^${source}$`)
  })
}

function readRuns() {
  try {
    return JSON.parse(readFileSync(join(ROOT, 'test', 'runs.json'), 'utf8'))
  } catch {
    return { faults: [] }
  }
}

function readCount(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 0, complaints: ['vitest ended without a result'] }
  }
}

function printSlowest(slowest) {
  if (slowest.length < 2) return
  console.log('The slowest files, in seconds:')
  for (const { seconds, file } of slowest) console.log(`${seconds.toFixed(1).padStart(8)}  ${file}`)
}

function printMissing(missing, command) {
  for (const { files, why } of missing) {
    const shown =
      files.length > 3 ? `${files.slice(0, 3).join(', ')} and ${files.length - 3} more` : files.join(', ')
    const count = files.length === 1 ? '1 file that needs' : `${files.length} files that need`
    console.log(`Not run: ${count} ${why}: ${shown}`)
  }
  if (command !== undefined) console.log(`What is missing comes with: ${command}`)
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
