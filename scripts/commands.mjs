// What each command of package.json does once the dependencies are there.

import { join } from 'node:path'
import { writeApiReports } from './api-reports.mjs'
import { runBenches } from './benches.mjs'
import { CHECKS, runChecks } from './checks.mjs'
import { ensureInstalled } from './install.mjs'
import { runMatrix } from './matrix.mjs'
import { runMutations } from './mutate.mjs'
import { entryPoints } from './packages.mjs'
import { binOf, envForSource, nodeArgsForSource, ROOT, runForeground } from './processes.mjs'
import { prepareTests, runTests } from './tests.mjs'

const COMMANDS = {
  demo: (args) => runSource('examples/erp/src/demo.ts', args),
  app: (args) => runSource('examples/erp/src/main.ts', args),
  bench: (args) => runBenches(args),
  test: (args) => test('test', args),
  'test:unit': (args) => test('unit', args),
  'test:faults': (args) => test('faults', args),
  'test:full': (args) => test('full', args),
  nightly: async (args) => {
    const tests = await test('full', ['--strict', ...args])
    return (await runMatrix([])) || tests
  },
  mutate: (args) => runMutations(args),
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
  const installed = await ensureInstalled()
  return installed === 0 ? command(args) : installed
}

async function test(run, args) {
  return runTests(run, args, await prepareTests(run))
}

// The caller's directory is kept, so that a relative path among the arguments means what the caller meant.
function runSource(file, args) {
  const env = envForSource()
  return runForeground(process.execPath, [...nodeArgsForSource(), join(ROOT, file), ...args], { env })
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
