// The Node versions that the matrix runs on: this one, and the others from npm, kept under .kerp/nodes.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { environmentForPackageManager } from './install.mjs'
import { ROOT, runQuietly } from './processes.mjs'

const VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' }
const FOLDER = join(ROOT, '.kerp', 'nodes')
const PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const BINARY = process.platform === 'win32' ? 'node.exe' : 'node'

/** Resolves with `{ nodes, output }`: `{ version, path }` of each Node, and what npm said when one cannot be had. */
export async function fetchNodes() {
  const own = process.versions.node.split('.')[0]
  const wanted = Object.entries(VERSIONS).filter(([major]) => major !== own)
  const missing = wanted.filter(([major, version]) => installedVersion(major) !== version)
  const { code, output } = missing.length === 0 ? { code: 0, output: '' } : await install(missing)
  const fetched = wanted
    .filter(([major, version]) => installedVersion(major) === version)
    .map(([major, version]) => ({ version, path: pathOf(major) }))
  const nodes = [{ version: process.versions.node, path: process.execPath }, ...fetched]
  return { nodes, output: code === 0 ? '' : output }
}

function packageFolder(major) {
  return join(FOLDER, 'node_modules', `node${major}`)
}

function pathOf(major) {
  return join(packageFolder(major), 'bin', BINARY)
}

function installedVersion(major) {
  const manifest = join(packageFolder(major), 'package.json')
  if (!existsSync(manifest) || !existsSync(pathOf(major))) return undefined
  return JSON.parse(readFileSync(manifest, 'utf8')).version
}

function install(missing) {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(join(FOLDER, 'package.json'), JSON.stringify({ name: 'nodes', private: true }))
  const packages = missing.map(([major, version]) => `node${major}@npm:${PACKAGE}@${version}`)
  return runQuietly('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], {
    cwd: FOLDER,
    env: environmentForPackageManager(),
    shell: process.platform === 'win32',
  })
}
