// Child processes: one that takes over the terminal, or one whose output is kept until it is needed.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The folder of the checkout, whatever directory the command was called from. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const ORPHAN_CHECK_MS = 250
const SAME_SIGNAL_MS = 1_000
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP']

const running = new Set()

/** The script behind a tool's command, so that it runs with this Node and without a shell. */
export function binOf(packageName, command = packageName.split('/').at(-1)) {
  const manifestFile = join(ROOT, 'node_modules', packageName, 'package.json')
  const { bin } = JSON.parse(readFileSync(manifestFile, 'utf8'))
  return join(dirname(manifestFile), typeof bin === 'string' ? bin : bin[command])
}

/** Node's arguments for running TypeScript sources without a build. */
export function nodeArgsForSource() {
  return ['--conditions=@kerp/source', ...nodeArgsForBench()]
}

/** The same for a bench: its own source, on the built packages. */
export function nodeArgsForBench() {
  const tsx = createRequire(join(ROOT, 'package.json')).resolve('tsx')
  return ['--import', pathToFileURL(tsx).href]
}

/** The environment for both, whatever directory they are called from. */
export function envForSource() {
  return { ...process.env, TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json') }
}

/** Runs a child on this terminal, passes signals on, and resolves with its exit code. */
export function runForeground(command, args, options = {}) {
  return endOf(spawn(command, args, { stdio: 'inherit', ...options }), command)
}

function endOf(child, command) {
  return new Promise((resolve) => {
    const release = passSignalsOn(child)
    child.once('error', (error) => {
      release()
      console.error(`${command} did not start: ${error.message}`)
      resolve(127)
    })
    child.once('close', (code, signal) => {
      release()
      resolve(code ?? exitCodeOf(signal))
    })
  })
}

/** Runs a child that prints on this terminal, and resolves with its exit code and its stdout. */
export async function runAloud(command, args, options = {}) {
  const child = spawn(command, args, { ...options, stdio: ['inherit', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    process.stdout.write(text)
  })
  return { code: await endOf(child, command), stdout }
}

/** Runs a child without input and resolves with its exit code, its stdout, and all that it printed as `output`. */
export function runQuietly(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: ROOT, ...options })
  const ended = { code: 0, stdout: '', output: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    ended.stdout += text
    ended.output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => (ended.output += text))
  return new Promise((resolve) => {
    const release = passSignalsOn(child)
    child.once('error', (error) => {
      release()
      resolve({ ...ended, code: 127, output: `${command} did not start: ${error.message}\n` })
    })
    child.once('close', (code, signal) => {
      release()
      resolve({ ...ended, code: code ?? exitCodeOf(signal) })
    })
  })
}

/** Does `work` for each item, at most `atOnce` at a time, and resolves with the results in the order of the items. */
export async function mapAtOnce(items, atOnce, work) {
  const queue = [...items.entries()]
  const results = new Array(items.length)
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

function exitCodeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0)
}

function passSignalsOn(child) {
  if (running.size === 0) startListening()
  running.add(child)
  return () => {
    running.delete(child)
    if (running.size === 0) stopListening()
  }
}

const parentPid = process.ppid
let orphanTimer

function startListening() {
  for (const signal of STOPPING) process.on(signal, passOn)
  // npm that is killed outright tells nobody; what it started would hold its ports for ever. The scripts of
  // package.json begin with `exec`, so that npm is the parent: a shell between would swallow SIGTERM, too.
  if (process.env.npm_lifecycle_event !== undefined) {
    orphanTimer = setInterval(() => process.ppid !== parentPid && passOn('SIGTERM'), ORPHAN_CHECK_MS)
    orphanTimer.unref()
  }
}

function stopListening() {
  for (const signal of STOPPING) process.off(signal, passOn)
  clearInterval(orphanTimer)
}

const passedOnAt = new Map()

function passOn(signal) {
  // A signal to the whole process group comes from its sender and from npm. To a program that is told to end,
  // a second one means "at once".
  const now = performance.now()
  const again = now - (passedOnAt.get(signal) ?? -SAME_SIGNAL_MS) < SAME_SIGNAL_MS
  // Ctrl-C reaches every process of the terminal by itself.
  const typed = signal === 'SIGINT' && (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)
  if (again || typed) return
  passedOnAt.set(signal, now)
  for (const child of running) child.kill(signal)
}
