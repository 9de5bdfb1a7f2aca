/** The package as it is published, in both module systems: its threads find what they need without the sources. */

import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const TSUP = join(realpathSync(join(ROOT, 'node_modules', 'tsup')), 'dist', 'cli-default.js')

const USE = `
  const pool = new CpuPool({ entry, threads: 2 })
  const answers = await pool.runMany(Array.from({ length: 500 }, (_, n) => BigInt(n)))
  const sum = answers.reduce((total, answer) => total + answer.result, 0n)
  const one = await pool.run(21n)
  const refused = await pool.run('text').catch((error) => error)
  const { accepted, done, failed } = await pool.stop()
  const isOurs = refused instanceof CpuTaskError && refused instanceof KerpError
  console.log(sum, one, refused.code, isOurs, accepted, done, failed)`
const TASKS = {
  'task.mjs': 'export default (n) => n * 2n',
  'task.cjs': 'module.exports = (n) => n * 2n',
  'compiled.cjs':
    'Object.defineProperty(exports, "__esModule", { value: true }); exports.default = async (n) => n * 2n',
}
const PROGRAMS = {
  'main.mjs': `import { KerpError } from '@kerp/core'
import { CpuPool, CpuTaskError } from '@kerp/worker-pool'
const entry = new URL(process.argv[2], import.meta.url)
${USE}`,
  'main.cjs': `const { KerpError } = require('@kerp/core')
const { CpuPool, CpuTaskError } = require('@kerp/worker-pool')
const entry = require('node:path').join(__dirname, process.argv[2])
async function main() {${USE}
}
void main()`,
}

let project: string

function run(file: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} ended with ${String(status)}:\n${stdout}${stderr}`)
  return stdout.trim()
}

/** Builds a package into the project as its tarball would be unpacked there. */
function install(name: string, dependencies: readonly string[]): void {
  const source = join(ROOT, 'packages', name)
  const target = join(project, 'node_modules', '@kerp', name)
  mkdirSync(target, { recursive: true })
  copyFileSync(join(source, 'package.json'), join(target, 'package.json'))
  const build = ['--config', '../../tsup.config.ts', '--silent', '--out-dir', join(target, 'dist')]
  run(TSUP, build, source)
  for (const dependency of dependencies) {
    symlinkSync(
      realpathSync(join(source, 'node_modules', dependency)),
      join(project, 'node_modules', dependency),
    )
  }
}

beforeAll(() => {
  // Spaces and letters beyond ASCII, as folders of users have them.
  project = mkdtempSync(join(tmpdir(), 'kerp built 급여 '))
  install('core', ['eventemitter3'])
  install('worker-pool', ['p-limit'])
  for (const [file, text] of Object.entries({ ...TASKS, ...PROGRAMS }))
    writeFileSync(join(project, file), text)
}, 180_000)
afterAll(() => rmSync(project, { recursive: true, force: true }))

describe.each(Object.keys(PROGRAMS))('CpuPool of the built package, used by %s', (program) => {
  it.each(Object.keys(TASKS))('runs %s in its threads', (task) => {
    expect(run(join(project, program), [task], project)).toBe('249500n 42n CPU_TASK_FAILED true 502 501 1')
  })
})
