// Installs the dependencies with the pinned pnpm, once, whoever asks first.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFileLock } from './file-lock.mjs'
import { ROOT, runQuietly } from './processes.mjs'

const STAMP = join(ROOT, 'node_modules', '.kerp-installed')
const ATTEMPTS_MAX = 2

// Only what says how to reach a registry passes from a calling npm or pnpm to ours. The rest of their
// settings (production, ignore-scripts, workspace, prefix, dry-run …) were meant for them.
const SETTINGS_KEPT =
  /^npm_config_(registry|cache|store_dir|userconfig|globalconfig|ca|cafile|cert|key|strict_ssl|proxy|http_proxy|https_proxy|noproxy|offline|prefer_offline|fetch_\w+|@.*|\/\/.*)$/i

/** The environment without the settings that a calling package manager left in it. */
export function environmentForPackageManager(environment = process.env) {
  const kept = Object.entries(environment).filter(
    ([name, value]) => !/^npm_|^pnpm_|^NODE_ENV$/i.test(name) || (SETTINGS_KEPT.test(name) && value !== ''),
  )
  return { ...Object.fromEntries(kept), npm_config_yes: 'true', npm_config_update_notifier: 'false' }
}

/** Name and pinned version of pnpm, as `npx` takes it. */
function pinnedPnpm() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).packageManager
}

/** Runs the pinned pnpm and resolves with `{ code, output }`. */
export function runPnpm(args, options = {}) {
  return runQuietly('npx', ['-y', pinnedPnpm(), ...args], {
    env: environmentForPackageManager(),
    shell: process.platform === 'win32',
    ...options,
  })
}

/** Makes `node_modules` what the lockfile says; resolves with 0, or with an exit code after saying why. */
export async function ensureInstalled() {
  if (isInstalled()) return 0
  mkdirSync(join(ROOT, '.kerp'), { recursive: true })
  return withFileLock(
    join(ROOT, '.kerp', 'install.lock'),
    'Another installation is running here; waiting for it.',
    async () => (isInstalled() ? 0 : install()),
  )
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint()
}

function fingerprint() {
  const hash = createHash('sha256')
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(ROOT, file)))
  return hash.update(`${process.platform} ${process.arch}`).digest('hex')
}

async function install() {
  console.error('Installing dependencies …')
  rmSync(STAMP, { force: true })
  const args = ['install', '--frozen-lockfile', '--prod=false', '--config.confirmModulesPurge=false']
  for (let attempt = 1; ; attempt += 1) {
    const { code, output } = await runPnpm(args)
    if (code === 0) {
      writeFileSync(STAMP, fingerprint())
      return 0
    }
    // What pnpm itself complains about stays wrong; npx, fetching pnpm, may have met a neighbour doing the same.
    if (attempt >= ATTEMPTS_MAX || code > 128 || output.includes('ERR_PNPM')) {
      console.error(output.trimEnd())
      console.error(`Installing the dependencies failed with exit code ${code}; its output stands above.`)
      return code
    }
  }
}
