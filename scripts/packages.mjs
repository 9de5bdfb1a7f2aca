// Builds the published packages, packs them as they would be published, and checks the tarballs.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { runPnpm } from './install.mjs'
import { binOf, mapAtOnce, ROOT, runQuietly } from './processes.mjs'

const BUILDS_AT_ONCE = 2

/** Folders of the packages that are published. */
function packageFolders() {
  const folder = join(ROOT, 'packages')
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => existsSync(join(path, 'package.json')))
}

/** Every entry point of every package: where its code and its types are built to, and how it is called. */
export function entryPoints() {
  return packageFolders().flatMap((folder) => {
    const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return Object.entries(exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([entry, target]) => ({
        folder,
        name: join(name, entry).replaceAll('\\', '/'),
        reportName: join(basename(folder), entry).replaceAll(/[\\/]/g, '.'),
        source: join(folder, target['@kerp/source']),
        code: join(folder, target.import.default),
        types: join(folder, target.import.types),
      }))
  })
}

/**
 * Builds the code of each package from its own folder, since a single run at the root would bundle siblings, and
 * meanwhile the declarations of all.
 */
export function buildPackages() {
  const folders = packageFolders()
  for (const folder of folders) rmSync(join(folder, 'dist'), { recursive: true, force: true })
  if (folders.length === 0) return { code: 0, output: '' }
  const tsup = [binOf('tsup'), '--config', '../../tsup.config.ts', '--silent']
  const programs = [
    { cwd: ROOT, args: [join(ROOT, 'scripts', 'declarations.mjs')] },
    ...folders.map((cwd) => ({ cwd, args: tsup })),
  ]
  return forEach(programs, BUILDS_AT_ONCE, ({ cwd, args }) => runQuietly(process.execPath, args, { cwd }))
}

/** Packs each package into `folder`, with workspace ranges replaced by versions. */
export function packPackages(folder) {
  return runPnpm(['-r', '--filter', './packages/*', 'exec', 'pnpm', 'pack', '--pack-destination', folder])
}

/** publint over the tarballs: do entry points, formats and files agree with package.json? */
export function checkPublishing(folder) {
  return forEach(tarballsIn(folder), 1, (tarball) =>
    runQuietly(process.execPath, [binOf('publint'), 'run', tarball, '--strict']),
  )
}

/** Are the types right for every entry point, resolved by node10, node16 (CJS and ESM) and bundlers? */
export function checkTypeResolution(folder) {
  return forEach(tarballsIn(folder), 1, (tarball) =>
    runQuietly(process.execPath, [
      binOf('@arethetypeswrong/cli', 'attw'),
      tarball,
      '--no-color',
      '--no-emoji',
    ]),
  )
}

/** Paths of the packed packages that `names` need, themselves among them: `realtime` brings all that it stands on. */
export function tarballsFor(folder, names) {
  const needed = new Set()
  const add = (name) => {
    if (needed.has(name)) return
    needed.add(name)
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8'))
    for (const dependency of Object.keys(dependencies ?? {})) {
      if (dependency.startsWith('@kerp/')) add(dependency.slice('@kerp/'.length))
    }
  }
  for (const name of names) add(name)
  return tarballsIn(folder).filter((path) => needed.has(/kerp-([a-z-]+)-\d/.exec(basename(path))?.[1]))
}

/** Paths of the packed packages. */
export function tarballsIn(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name))
}

async function forEach(items, atOnce, work) {
  const results = await mapAtOnce(items, atOnce, work)
  const failures = results.filter(({ code }) => code !== 0)
  return { code: failures[0]?.code ?? 0, output: failures.map(({ output }) => output).join('\n') }
}
