// One cell of the matrix: a fresh project with one TypeScript and one ioredis, compiled in every mode and run.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { environmentForPackageManager } from './install.mjs'
import { entryPoints, tarballsIn } from './packages.mjs'
import { ROOT, runQuietly } from './processes.mjs'

const RUN_MS_MAX = 120_000
const CONSUMER = join(ROOT, 'test', 'matrix', 'consumer.ts')
const TWO_COPIES = join(ROOT, 'test', 'matrix', 'two-copies.ts')

/** What a project has beside our packages: their peers at the versions that we develop with. */
const BESIDE = ['@nestjs/common', '@opentelemetry/api', '@types/node', '@types/pg', '@types/ws']
const BESIDE_RUN = ['bullmq', 'fastify', 'pg', 'prom-client', 'reflect-metadata', 'rxjs', 'ws']

/** `until`: the first major of TypeScript that does not know the mode any more. */
const MODES = {
  'NodeNext ESM': { type: 'module', args: ['--module', 'nodenext'] },
  'NodeNext CJS': { type: 'commonjs', args: ['--module', 'nodenext'] },
  bundler: { type: 'module', args: ['--module', 'esnext', '--moduleResolution', 'bundler'] },
  node10: { type: 'commonjs', args: ['--module', 'commonjs', '--moduleResolution', 'node10'], until: 7 },
}
const COMPILE = [
  '--strict',
  '--target',
  'es2022',
  '--types',
  'node',
  '--skipLibCheck',
  'false',
  '--pretty',
  'false',
]

/** Resolves with `{ cell, checks }`; each check is `{ column, name, ok, output }`. */
export async function runCell(cell, { folder, tarballs, nodes }) {
  const project = join(folder, `typescript-${cell.typescript}-ioredis-${cell.ioredis}`)
  mkdirSync(project)
  const installed = await installInto(project, cell, tarballs)
  if (installed.code !== 0) return { cell, checks: [checkOf('install', 'install', installed)] }
  const checks = []
  for (const mode of modesOf(cell)) checks.push(await compile(project, cell, mode))
  const compiled = new Set(checks.filter(({ ok }) => ok).map(({ name }) => name))
  for (const node of nodes) checks.push(...(await runOn(node, project, cell, compiled)))
  if (compiled.has('node10')) checks.push(await run('runs', 'node10 runs', nodes[0], project, cell, 'node10'))
  if (compiled.has('bundler')) checks.push(await runBundled(nodes[0], project, cell))
  return { cell, checks }
}

function installInto(project, { typescript, ioredis }, tarballs) {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  const beside = [...BESIDE, ...BESIDE_RUN, ...(hasMock({ ioredis }) ? ['ioredis-mock'] : [])]
  const wanted = [
    ...tarballsIn(tarballs),
    `typescript@${typescript}`,
    `ioredis@${ioredis}`,
    ...beside.map((name) => `${name}@${devDependencies[name]}`),
  ]
  return runQuietly('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...wanted], {
    cwd: project,
    env: environmentForPackageManager(),
    shell: process.platform === 'win32',
  })
}

/** ioredis-mock cannot be installed beside ioredis 6: there a real server is asked. */
function hasMock({ ioredis }) {
  return ioredis.startsWith('5.')
}

function modesOf({ typescript }) {
  return Object.keys(MODES).filter((mode) => Number.parseInt(typescript) < (MODES[mode].until ?? Infinity))
}

function folderOf(project, mode) {
  return join(project, mode.toLowerCase().replaceAll(' ', '-'))
}

async function compile(project, { typescript }, mode) {
  const { type, args } = MODES[mode]
  const cwd = folderOf(project, mode)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ type }))
  copyFileSync(CONSUMER, join(cwd, 'consumer.ts'))
  writeFileSync(join(cwd, 'every-entry.ts'), everyEntry())
  const files = ['consumer.ts', 'every-entry.ts']
  if (mode === 'NodeNext ESM') {
    copyFileSync(TWO_COPIES, join(cwd, 'two-copies.ts'))
    files.push('two-copies.ts')
  }
  const silenced = mode === 'node10' && typescript.startsWith('6.') ? ['--ignoreDeprecations', '6.0'] : []
  const compiler = createRequire(join(project, 'package.json')).resolve('typescript/package.json')
  const { bin } = JSON.parse(readFileSync(compiler, 'utf8'))
  const compiled = await runQuietly(
    process.execPath,
    [join(compiler, '..', bin.tsc), ...COMPILE, ...args, ...silenced, ...files],
    { cwd },
  )
  return checkOf(mode, mode, { ...compiled, code: ours(compiled) })
}

/** The types of all entry points, which nothing else in the project mentions. */
function everyEntry() {
  const lines = entryPoints().map(({ name }, index) => [
    `import type * as e${index} from '${name}'`,
    `export type E${index} = keyof typeof e${index}`,
  ])
  return `${lines.flat().join('\n')}\n`
}

/** Declarations of other packages may be wrong by themselves, and are not ours to judge. */
function ours({ code, output }) {
  if (code === 0) return 0
  const errors = output
    .split('\n')
    .filter((line) => line.includes(': error TS') || line.startsWith('error TS'))
  const foreign = errors.filter(
    (line) => /node_modules\//.test(line) && !line.includes('node_modules/@kerp/'),
  )
  return errors.length > 0 && foreign.length === errors.length ? 0 : code
}

async function runOn(node, project, cell, compiled) {
  const column = `Node ${node.version.split('.')[0]}`
  const checks = []
  for (const mode of ['NodeNext ESM', 'NodeNext CJS'].filter((each) => compiled.has(each))) {
    checks.push(await run(column, `${mode} on Node ${node.version}`, node, project, cell, mode))
  }
  if (!compiled.has('NodeNext ESM')) return checks
  const said = 'every error is recognised by both copies\n'
  const copies = await runScript(node, folderOf(project, 'NodeNext ESM'), ['two-copies.js'], said)
  return [...checks, checkOf(column, `two copies on Node ${node.version}`, copies)]
}

async function run(column, name, node, project, cell, mode, script = 'consumer.js') {
  const backend = hasMock(cell) ? 'mock' : 'server'
  const said = `balances, keys, locks and pools hold on the ${backend}\n`
  return checkOf(column, name, await runScript(node, folderOf(project, mode), [script, backend], said))
}

async function runScript(node, cwd, args, said) {
  const ran = await runQuietly(node.path, args, { cwd, timeout: RUN_MS_MAX })
  return { ...ran, code: ran.code === 0 && ran.stdout !== said ? 1 : ran.code }
}

/** What a bundler makes of it: our packages inside one file, the rest beside it. */
async function runBundled(node, project, cell) {
  const cwd = folderOf(project, 'bundler')
  const { build } = createRequire(join(ROOT, 'package.json'))('esbuild')
  try {
    await build({
      absWorkingDir: cwd,
      entryPoints: ['consumer.js'],
      outfile: 'bundle.js',
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['ioredis', 'ioredis-mock'],
      logLevel: 'silent',
    })
  } catch (error) {
    return checkOf('runs', 'bundled', { code: 1, output: String(error) })
  }
  return run('runs', 'bundled', node, project, cell, 'bundler', 'bundle.js')
}

function checkOf(column, name, { code, output }) {
  return { column, name, ok: code === 0, output }
}
