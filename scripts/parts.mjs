// Programs that some tests need and npm does not bring: which files need them, and how they come onto this machine.

import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ROOT, runQuietly } from './processes.mjs'

const PREVIOUS = 'test/versions/previous-version.ts'

/**
 * `commands` of which one must be on PATH, packages of Debian and of Homebrew, and which test files need it: by their
 * place and suffix, or by what they import.
 */
const PARTS = [
  {
    name: 'redis-server',
    commands: ['redis-server', 'valkey-server'],
    debian: ['redis-server'],
    brew: 'redis',
    isNeededBy: (path) => /^test\/(faults|versions)\/|\.(redis|live)\.test\.ts$/.test(path),
  },
  {
    name: 'PgBouncer',
    commands: ['pgbouncer'],
    debian: ['pgbouncer'],
    brew: 'pgbouncer',
    isNeededBy: (_, text) => text.includes("/pgbouncer.js'"),
  },
  {
    name: 'Chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    debian: ['chromium', 'fonts-noto-cjk'],
    brew: 'chromium',
    isNeededBy: (_, text) => text.includes("/chromium.js'"),
  },
  {
    name: 'Prometheus',
    commands: ['promtool'],
    debian: ['prometheus'],
    brew: 'prometheus',
    isNeededBy: (_, text) => text.includes("/promtool.js'"),
  },
]

/**
 * Parts that files of `paths` need and that are not here, after trying to install them: each with its files. As root on
 * Debian and Ubuntu they are installed, which is said.
 */
export async function missingParts(paths) {
  const texts = new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]))
  const needed = PARTS.map((part) => ({
    ...part,
    files: paths.filter((path) => part.isNeededBy(path, texts.get(path))),
  })).filter(({ files }) => files.length > 0)
  await install(needed.filter(isMissing))
  return needed.filter(isMissing)
}

/** The one command that brings them. */
export function commandFor(parts) {
  if (isOnPath('apt-get')) {
    const packages = parts.flatMap(({ debian }) => debian)
    return `sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
  }
  return `brew install ${parts.map(({ brew }) => brew).join(' ')}`
}

/** Whether the commit that `test/versions` compares with is here; a copy without history has not got it. */
export async function hasPreviousVersion() {
  const commit = /PREVIOUS_COMMIT = '(\w+)'/.exec(readFileSync(join(ROOT, PREVIOUS), 'utf8'))?.[1]
  return (await runQuietly('git', ['cat-file', '-e', `${commit}^{commit}`])).code === 0
}

/** All test files, with paths from the root. */
export function testFiles() {
  const examples = foldersOf('examples').map((name) => `examples/${name}/test`)
  return ['test', ...examples]
    .flatMap((folder) => filesBelow(folder))
    .filter((path) => path.endsWith('.test.ts'))
    .sort()
}

function foldersOf(folder) {
  return entriesOf(folder).flatMap((entry) => (entry.isDirectory() ? entry.name : []))
}

function filesBelow(folder) {
  return entriesOf(folder).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path)
    return path
  })
}

function entriesOf(folder) {
  try {
    return readdirSync(join(ROOT, folder), { withFileTypes: true })
  } catch {
    return []
  }
}

async function install(parts) {
  if (parts.length === 0 || process.getuid?.() !== 0 || !isOnPath('apt-get')) return
  const packages = parts.flatMap(({ debian }) => debian)
  console.error(`Installing ${packages.join(', ')} with apt-get …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['update', '-q'],
    ['install', '-q', '-y', '--no-install-recommends', ...packages],
  ]) {
    const { code, output } = await runQuietly('apt-get', args, { env })
    if (code === 0) continue
    console.error(`${output.trimEnd()}\napt-get ${args[0]} ended with exit code ${code}.`)
    return
  }
}

function isMissing({ commands }) {
  return !commands.some(isOnPath)
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, command)))
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
