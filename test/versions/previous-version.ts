/**
 * The previous version's sources, unpacked beside this version's, so that processes of both can share their servers.
 *
 * They come out of the project's own history: whatever the earlier version wrote, it writes again here. Its packages
 * find each other; everything else they import is what this checkout has installed.
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Of this commit, which is moved on with each release: readers and writers of two versions in a row get on. */
export const PREVIOUS_COMMIT = '2df90454f0bc52c04b0d7a1b229164e73b3b61c9'

/** The root of this checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const run = promisify(execFile)

/** The root of the previous version's sources; unpacked once. */
export async function previousRoot(): Promise<string> {
  const cache = join(ROOT, 'node_modules', '.cache', 'previous-version')
  const root = join(cache, PREVIOUS_COMMIT)
  if (existsSync(root)) return root
  await mkdir(cache, { recursive: true })
  const made = await mkdtemp(join(cache, 'making-'))
  const archive = join(made, 'previous.tar')
  const parts = ['package.json', 'tsconfig.json', 'packages', 'test']
  try {
    await run('git', ['-C', ROOT, 'archive', '--output', archive, PREVIOUS_COMMIT, ...parts])
  } catch (error) {
    throw new Error(
      `The commit ${PREVIOUS_COMMIT} is missing here: install git, and clone with the whole history.`,
      { cause: error },
    )
  }
  await run('tar', ['-xf', archive, '-C', made])
  await linkModules(made)
  await rename(made, root)
  return root
}

/** Its own packages by their names, and what this checkout's packages have installed. */
async function linkModules(root: string): Promise<void> {
  const modules = join(root, 'node_modules')
  await mkdir(join(modules, '@kerp'), { recursive: true })
  for (const name of await readdir(join(root, 'packages'))) {
    await symlink(join('..', '..', 'packages', name), join(modules, '@kerp', name))
    const installed = join(ROOT, 'packages', name, 'node_modules')
    for (const other of existsSync(installed) ? await readdir(installed) : []) {
      const place = join(modules, other)
      if (other.startsWith('.') || other.startsWith('@') || existsSync(place)) continue
      await symlink(join(installed, other), place)
    }
  }
}
