// `npm run mutate`: whether tests fail when the code is broken. Stryker breaks the files of `test/mutation/files.json`, a fault
// at a time, against tests in memory; of `test/mutation/texts.json`, scripts and statements are broken as it says there.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { prepareTests } from './tests.mjs'
import { binOf, ROOT, runForeground, runQuietly } from './processes.mjs'

const SCORE_MIN_PERCENT = 90
const MINUTES_MAX = 60
/** Processes that run tests, as many as the machines that do this at night have cores. */
const CONCURRENCY = 2

const FOLDER = join(ROOT, '.kerp', 'mutation')
const CONFIG = 'test/mutation/vitest.config.ts'
const KILLED = ['Killed', 'Timeout']
const ALIVE = ['Survived', 'NoCoverage']

/**
 * Breaks the files named in `paths`, or all; resolves with the exit code. A file that was broken before is only run
 * again where it or its tests changed; `--force` forgets what is known.
 */
export async function runMutations(args) {
  const endMs = Date.now() + MINUTES_MAX * 60_000
  const isForced = args.includes('--force')
  const paths = args.filter((arg) => arg !== '--force').map((path) => relative(ROOT, resolve(path)))
  const files = readList('files.json')
  const texts = readList('texts.json')
  const known = new Set([...Object.keys(files), ...texts.map(({ file }) => file)])
  const unknown = paths.filter((path) => !known.has(path))
  if (unknown.length > 0) {
    console.error(
      `Neither list in test/mutation names ${unknown.join(', ')}. They name:\n${[...known].join('\n')}`,
    )
    return 2
  }
  const isWanted = (path) => paths.length === 0 || paths.includes(path)
  const rows = []
  for (const [file, target] of Object.entries(files))
    if (isWanted(file)) rows.push(await mutateFile(file, target, { isForced, endMs }))
  const wantedTexts = [...texts.entries()].filter(([, { file }]) => isWanted(file))
  if (wantedTexts.length > 0) rows.push(await mutateTexts(wantedTexts, endMs))
  return conclude(rows)
}

function readList(name) {
  return JSON.parse(readFileSync(join(ROOT, 'test', 'mutation', name), 'utf8'))
}

async function mutateFile(file, { equivalent = [] }, { isForced, endMs }) {
  const leftMs = endMs - Date.now()
  if (leftMs <= 0) return notRun(file)
  mkdirSync(FOLDER, { recursive: true })
  const name = file.replaceAll('/', '+')
  const config = join(FOLDER, `${name}.config.json`)
  const report = join(FOLDER, `${name}.report.json`)
  rmSync(report, { force: true })
  writeFileSync(config, JSON.stringify(strykerOptions(file, join(FOLDER, name), report)))
  console.log(`Breaking ${file} …`)
  await runForeground(
    process.execPath,
    [binOf('@stryker-mutator/core', 'stryker'), 'run', config, ...(isForced ? ['--force'] : [])],
    { cwd: ROOT, env: { ...process.env, KERP_MUTATED_FILE: file }, timeout: leftMs },
  )
  return existsSync(report) ? judge(file, JSON.parse(readFileSync(report, 'utf8')), equivalent) : notRun(file)
}

function strykerOptions(file, known, report) {
  return {
    mutate: [file],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: CONFIG, related: false },
    concurrency: CONCURRENCY,
    incremental: true,
    incrementalFile: `${known}.known.json`,
    tempDirName: '.kerp/mutation/copies',
    ignorePatterns: ['.kerp', 'dist', 'bench', 'docs', 'api'],
    disableTypeChecks: false,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: report },
    allowConsoleColors: false,
    checkers: [],
  }
}

function judge(file, report, equivalent) {
  const { mutants, source } = report.files[file] ?? { mutants: [], source: '' }
  const lines = source.split('\n')
  const alive = mutants
    .filter(({ status }) => ALIVE.includes(status))
    .map((mutant) => describe(mutant, lines))
  const isSame = (one) => (other) =>
    one.line === other.line && one.was === other.was && one.becomes === other.becomes
  const survivors = alive.filter((mutant) => !equivalent.some(isSame(mutant)))
  const stale = equivalent.filter((mutant) => !alive.some(isSame(mutant)))
  const killed = mutants.filter(({ status }) => KILLED.includes(status)).length
  return {
    name: file,
    killed,
    survived: survivors.length,
    equivalent: alive.length - survivors.length,
    notes: [
      ...survivors.map(({ number, was, becomes }) => `${file}:${number}: \`${was}\` became \`${becomes}\``),
      ...stale.map(({ line }) => `files.json: no longer survives, remove it: ${file}: \`${line}\``),
    ],
    isBad: stale.length > 0,
  }
}

function describe({ location: { start, end }, replacement }, lines) {
  const span = lines.slice(start.line - 1, end.line)
  span[span.length - 1] = span.at(-1).slice(0, end.column - 1)
  span[0] = span[0].slice(start.column - 1)
  const onOneLine = (text) => text.replace(/\s+/g, ' ').trim()
  return {
    number: start.line,
    line: lines[start.line - 1].trim(),
    was: onOneLine(span.join('\n')),
    becomes: onOneLine(replacement ?? ''),
  }
}

async function mutateTexts(texts, endMs) {
  const name = 'scripts and statements'
  const { missing } = await prepareTests('full')
  const absent = new Set(missing.flatMap(({ files }) => files))
  const row = { name, killed: 0, survived: 0, equivalent: 0, notes: [], isBad: false }
  for (const [index, { file, search, replace, test, title }] of texts) {
    const leftMs = endMs - Date.now()
    if (leftMs <= 0 || absent.has(test)) {
      row.notes.push(
        `${file}: not run: \`${search}\`, for want of ${leftMs <= 0 ? 'time' : `what ${test} needs`}`,
      )
      row.isBad = true
      continue
    }
    console.log(`Breaking ${file}: \`${search}\` …`)
    const isKilled = await failsWithText(index, test, title, leftMs)
    if (isKilled) row.killed += 1
    else {
      row.survived += 1
      row.notes.push(`${file}: \`${search}\` became \`${replace}\`, and ${test} does not fail`)
    }
  }
  return row
}

/** Whether a test fails; one that cannot be loaded or found proves nothing. */
async function failsWithText(index, test, title, leftMs) {
  const out = join(FOLDER, 'texts.json')
  mkdirSync(FOLDER, { recursive: true })
  rmSync(out, { force: true })
  await runQuietly(
    process.execPath,
    [
      binOf('vitest'),
      'run',
      '--config',
      CONFIG,
      '--root',
      ROOT,
      '--reporter=json',
      `--outputFile=${out}`,
      test,
      '-t',
      title,
    ],
    { env: { ...process.env, KERP_MUTATED_TEXT: String(index) }, timeout: leftMs },
  )
  return existsSync(out) && JSON.parse(readFileSync(out, 'utf8')).numFailedTests > 0
}

function notRun(name) {
  const notes = [`${name}: not run to the end within ${MINUTES_MAX} minutes, or its tests fail unbroken`]
  return { name, killed: 0, survived: 0, equivalent: 0, notes, isBad: true }
}

function conclude(rows) {
  for (const note of rows.flatMap(({ notes }) => notes)) console.log(note)
  console.log(
    `\n${'score'.padStart(8)}${'killed'.padStart(8)}${'alive'.padStart(8)}${'equal'.padStart(8)}  file`,
  )
  let code = 0
  for (const { name, killed, survived, equivalent, isBad } of rows) {
    const score = killed + survived === 0 ? 0 : (100 * killed) / (killed + survived)
    const cells = [`${score.toFixed(1)} %`, killed, survived, equivalent]
    console.log(`${cells.map((cell) => String(cell).padStart(8)).join('')}  ${name}`)
    if (isBad || score < SCORE_MIN_PERCENT) code = 1
  }
  return code
}
