// What each command of package.json does once the dependencies are there.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeApiReports } from './api-reports.mjs'
import { CHECKS, runChecks } from './checks.mjs'
import { ensureInstalled } from './install.mjs'
import { runMatrix } from './matrix.mjs'
import { entryPoints } from './packages.mjs'
import { binOf, nodeArgsForBench, nodeArgsForSource, ROOT, runForeground } from './processes.mjs'
import { runTests, serverIsMissing } from './tests.mjs'

const COMMANDS = {
  demo: (args) => runSource('examples/erp/src/demo.ts', args),
  app: (args) => runSource('examples/erp/src/main.ts', args),
  bench: (args) => runBenches(args),
  test: (args) => runTests(args),
  check: (args) => runChecks(args.length > 0 ? args : Object.keys(CHECKS)),
  matrix: (args) => runMatrix(args),
  api: async () => (await runChecks(['build'])) || writeApiReports(),
  docs: () => writeDocs(),
  build: () => runChecks(['build']),
  typecheck: () => runChecks(['typecheck']),
  lint: () => runChecks(['lint']),
  format: (args) => formatFiles(args),
}

/** Runs one command and resolves with the exit code of the whole. */
export async function runCommand(name, args) {
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined
  if (command === undefined) {
    console.error(`Name one of these commands: ${Object.keys(COMMANDS).join(', ')}.`)
    return 2
  }
  if (['test', 'matrix'].includes(name) && serverIsMissing()) return 1
  const installed = await ensureInstalled()
  return installed === 0 ? command(args) : installed
}

// The caller's directory is kept, so that a relative path among the arguments means what the caller meant.
function runSource(file, args, nodeArgs = nodeArgsForSource()) {
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json') }
  return runForeground(process.execPath, [...nodeArgs, join(ROOT, file), ...args], { env })
}

/** The reference of every exported name, from the sources, as a site under .kerp/docs. */
function writeDocs() {
  const entries = entryPoints().map(({ source }) => source)
  const out = join(ROOT, '.kerp', 'docs')
  const args = [
    '--name',
    'K-ERP realtime',
    '--readme',
    'README.md',
    '--out',
    out,
    '--skipErrorChecking',
    ...entries,
  ]
  return runForeground(process.execPath, [binOf('typedoc'), '--tsconfig', 'tsconfig.json', ...args], {
    cwd: ROOT,
  })
}

function formatFiles(paths) {
  const args = [binOf('@biomejs/biome'), 'format', '--write', ...(paths.length > 0 ? paths : ['.'])]
  return runForeground(process.execPath, args, { cwd: ROOT })
}

// Of the built packages, as users run them and as the peers are: running sources adds work to every function in them.
async function runBenches(names) {
  const folder = join(ROOT, 'bench')
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.bench.ts')) : []
  const known = files.map((file) => file.slice(0, -'.bench.ts'.length)).sort()
  // `balance` means all that begin with it.
  const meant = (name) => known.filter((each) => each === name || each.startsWith(`${name}-`))
  const unknown = names.filter((name) => meant(name).length === 0)
  if (unknown.length > 0) {
    console.error(`There is no bench called ${unknown.join(', ')}; there are ${known.join(', ')}.`)
    return 2
  }
  const built = await runChecks(['build'])
  if (built !== 0) return built
  for (const name of names.length > 0 ? new Set(names.flatMap(meant)) : known) {
    const code = await runSource(`bench/${name}.bench.ts`, [], nodeArgsForBench())
    if (code !== 0) return code
  }
  return 0
}
