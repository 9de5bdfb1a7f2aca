/**
 * What runs in each thread before and around the host's own module, as plain JavaScript in a text: so it needs no file
 * that a bundler, a CommonJS build or a run from sources would have to find.
 *
 * A module in TypeScript is loaded through tsx, which must then be installed beside it: that is for development.
 */

/** States of one item's flag, which both sides change by compare-and-exchange only, so that they agree. */
export const FLAG = { waiting: 0, skipped: 1, begun: 2, cancelled: 3 } as const

/** The text of the thread. */
export const CPU_THREAD_SOURCE = `
const { parentPort, workerData } = require('node:worker_threads')
const { entry, flags: shared, laneItems, flushMs } = workerData
const flags = new Int32Array(shared)
const TRANSFER = Symbol.for('kerp.transfer')

async function load() {
  if (/\\.[cm]?tsx?$/.test(new URL(entry).pathname)) {
    const { createRequire } = require('node:module')
    const { dirname, join } = require('node:path')
    const { pathToFileURL } = require('node:url')
    const file = createRequire(entry).resolve('tsx/package.json')
    const api = require(file).exports['./esm/api'].import.default
    const { register } = await import(pathToFileURL(join(dirname(file), api)).href)
    register()
  }
  const loaded = await import(entry)
  // A CommonJS module that was compiled from one with a default export has it one level deeper.
  const task = typeof loaded.default === 'function' ? loaded.default : loaded.default?.default
  if (typeof task !== 'function') throw new TypeError(entry + ' has no function as its default export')
  return task
}

// What a task throws may be anything: a proxy that was revoked, or an error whose fields cannot be read or copied.
function failed(error) {
  try {
    if (!(error instanceof Error)) return { thrown: String(error) }
    const { name, message, stack, code, retryable } = error
    const textOf = (value) => (typeof value === 'string' ? value : undefined)
    return {
      name: String(name),
      message: String(message),
      stack: textOf(stack),
      code: textOf(code),
      retryable: retryable === true,
    }
  } catch {
    return { thrown: 'something that cannot be read' }
  }
}

class Context {
  #flag
  constructor(fields, flag) {
    this.fields = fields
    this.#flag = flag
  }
  get isCancelled() {
    return Atomics.load(flags, this.#flag) === 3
  }
}

// Results travel side by side in one list: an object around each would cost more to copy than most results.
async function work(task, { lane, batch, items, contexts, contextOf }) {
  const base = lane * (laneItems + 1)
  const cell = base + laneItems
  let results = []
  let apart = []
  let transfer = []
  let beganMs = performance.now()
  const flush = () => {
    const message = { lane, batch, results, apart, elapsedMs: performance.now() - beganMs }
    try {
      parentPort.postMessage(message, transfer)
    } catch {
      parentPort.postMessage(copyable(message))
    }
    results = []
    apart = []
    transfer = []
    beganMs = performance.now()
  }
  for (let index = 0; index < items.length; index += 1) {
    if (results.length > 0 && performance.now() - beganMs > flushMs) flush()
    if (Atomics.compareExchange(flags, base + index, 0, 2) !== 0) {
      apart.push([results.length, undefined])
      results.push(undefined)
      continue
    }
    Atomics.store(flags, cell, index + 1)
    const fields = contextOf === undefined ? contexts[0] : contexts[contextOf[index]]
    try {
      let result = task(items[index], new Context(fields, base + index))
      if (typeof result === 'object' && result !== null) {
        if (typeof result.then === 'function') result = await result
        if (typeof result === 'object' && result !== null && TRANSFER in result) {
          transfer.push(...result[TRANSFER])
          result = result.value
        }
      }
      results.push(result)
    } catch (error) {
      apart.push([results.length, failed(error)])
      results.push(undefined)
    }
  }
  Atomics.store(flags, cell, 0)
  flush()
}

// One of the results cannot be sent; the others can.
function copyable(message) {
  const apart = [...message.apart]
  const results = message.results.map((result, place) => {
    try {
      structuredClone(result)
      return result
    } catch (error) {
      apart.push([place, failed(error)])
      return undefined
    }
  })
  return { ...message, results, apart }
}

load().then(
  (task) => {
    let last = Promise.resolve()
    parentPort.on('message', (message) => {
      last = last.then(() => work(task, message))
    })
    parentPort.postMessage({ ready: true })
  },
  (error) => {
    parentPort.postMessage({ entryFailed: failed(error) })
    parentPort.close()
  },
)
`
