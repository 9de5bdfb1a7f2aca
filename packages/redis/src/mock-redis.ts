/**
 * A Redis inside the process for unit tests: ioredis-mock, with a script runner that compiles once.
 *
 * It is a double, not a server: README.md lists what it does not do. Whatever this library's scripts need is
 * run on it and on a real server by the same conformance suite.
 */

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { systemClock } from '@kerp/core'
import { RedisMissingError } from './errors.js'
import { type LuaCall, type LuaRunner, type LuaValue, loadLua, MockReplyError } from './lua-runner.js'
import { type MockData, STREAM_COMMANDS } from './mock-streams.js'
import type { RedisClient } from './outcome.js'

/**
 * Opens a mock with a data set of its own. `duplicate()` of it shares the data and the channels.
 *
 * As with `createRedis`, a command on a closed mock fails at once.
 *
 * @throws {RedisMissingError} `REDIS_MISSING` when ioredis-mock is not installed.
 * @example
 * const redis = mockRedis()
 * await redis.set('greeting', 'hello')
 * await redis.get('greeting') // 'hello'
 */
export function mockRedis(): RedisClient {
  engine ??= loadEngine()
  dataSets += 1
  return openMock(engine, { host: `mock-${dataSets}`, enableOfflineQueue: false })
}

/** What the mock is made of, loaded once. */
interface Engine {
  readonly RedisMock: MockClass
  readonly lua: LuaRunner
}

interface MockClass {
  new (options: object): MockInstance
  readonly Pipeline: new (redis: object) => object
}

/** The members of ioredis-mock's client that are read or replaced here. */
interface MockInstance {
  readonly connected: boolean
  readonly subscriberMode: boolean
  readonly data: MockData
  readonly options: { readonly enableOfflineQueue: boolean }
}

let engine: Engine | undefined
let dataSets = 0

function loadEngine(): Engine {
  const require = createRequire(import.meta.url)
  let path: string
  try {
    path = require.resolve('ioredis-mock')
  } catch {
    throw new RedisMissingError(
      'mockRedis() needs the package ioredis-mock: npm install --save-dev ioredis-mock',
    )
  }
  // Before the mock, which would load fengari without the settings that the runner needs.
  const lua = loadLua(createRequire(path))
  const RedisMock: unknown = require(path)
  if (!isMockClass(RedisMock)) {
    throw new RedisMissingError(
      'mockRedis() does not know this version of ioredis-mock; it was made for 8.13.',
    )
  }
  return { RedisMock, lua }
}

function isMockClass(value: unknown): value is MockClass {
  const pipeline: unknown = typeof value === 'function' ? Reflect.get(value, 'Pipeline') : undefined
  return typeof pipeline === 'function' && '_addTransaction' in (pipeline.prototype as object)
}

function openMock({ RedisMock, lua }: Engine, options: object): RedisClient {
  const mock = new RedisMock(options)
  const call = directCalls(RedisMock, mock)
  const scripts = new Map<string, string>()

  const run = (source: string, rest: readonly unknown[]): Promise<unknown> => {
    refuseWhenUnusable(mock)
    const [count, ...texts] = rest.flat().map(String)
    const keys = texts.slice(0, Number(count))
    return Promise.resolve(lua.run(source, keys, texts.slice(Number(count)), call))
  }
  const replaced = {
    call: (name: string, ...args: unknown[]) => callMethod(mock, name.toLowerCase(), args.flat()),
    eval: async (...args: unknown[]) => {
      const [source, ...rest] = args.flat()
      scripts.set(sha1Of(String(source)), String(source))
      return run(String(source), rest)
    },
    evalsha: async (...args: unknown[]) => {
      const [sha1, ...rest] = args.flat()
      const source = scripts.get(String(sha1))
      if (source === undefined) throw new MockReplyError('NOSCRIPT No matching script. Please use EVAL.')
      return run(source, rest)
    },
    script: (...args: unknown[]) => scriptCommand(scripts, args.flat().map(String)),
    info: () => Promise.resolve(INFO),
    // Shown as missing, so that who needs them can say so before the first call.
    ssubscribe: undefined,
    spublish: undefined,
    duplicate: (override: object = {}) => openMock({ RedisMock, lua }, { ...mock.options, ...override }),
  }
  Object.assign(mock, replaced, streamMethods(mock))
  Object.defineProperty(mock, 'status', { get: () => (mock.connected ? 'ready' : 'end') })
  return asClient(mock)
}

/** What holds for a mock. ioredis-mock shows the INFO of some server with its version, whose faults the mock has not. */
const INFO = ['role:master', 'maxmemory:0', 'maxmemory_policy:noeviction', 'aof_enabled:0', 'loading:0'].join(
  '\r\n',
)

/** The methods of a client are far more than a mock has; those that it lacks throw when they are called. */
function asClient(mock: object): RedisClient {
  return mock as RedisClient
}

/**
 * Commands for scripts, which must answer at once, while every method of the mock answers by a promise. A
 * pipeline is handed the plain functions behind them, so this one runs each as it comes.
 */
function directCalls(RedisMock: MockClass, mock: MockInstance): LuaCall {
  const Direct = class extends RedisMock.Pipeline {
    result: unknown
    _addTransaction(command: (...args: unknown[]) => unknown, _name: string, args: unknown[]): void {
      this.result = command(...args)
    }
  }
  const direct = new Direct(mock)
  return (command, args) => {
    if (command === 'time') return serverTime()
    const stream = STREAM_COMMANDS[command]
    if (stream !== undefined) return stream(mock.data, args.map(String))
    const method: unknown = Reflect.get(direct, command)
    if (typeof method !== 'function' || NOT_IN_SCRIPTS.has(command)) {
      throw new MockReplyError('ERR Unknown Redis command called from script')
    }
    method.apply(direct, args)
    const { result } = direct
    if (result instanceof Promise)
      throw new MockReplyError('ERR the mock cannot run this command in a script')
    return luaValueOf(result)
  }
}

/** The stream commands as methods of the client, which answer by a promise. */
function streamMethods(mock: MockInstance): object {
  const methods = Object.entries(STREAM_COMMANDS).map(([name, run]) => [
    name,
    // A promise for errors as well, which the other methods of the mock give, too.
    // eslint-disable-next-line @typescript-eslint/require-await
    async (...args: unknown[]) => {
      refuseWhenUnusable(mock)
      return run(mock.data, args.flat().map(String))
    },
  ])
  return Object.fromEntries(methods) as object
}

const NOT_IN_SCRIPTS = new Set([
  'exec',
  'multi',
  'watch',
  'unwatch',
  'subscribe',
  'psubscribe',
  'evaluate',
  'evalsha',
])

function luaValueOf(value: unknown): LuaValue {
  if (Array.isArray(value)) return value.map(luaValueOf)
  if (typeof value === 'string' || typeof value === 'number' || Buffer.isBuffer(value)) return value
  if (typeof value === 'boolean' || value === null || value === undefined) return value
  return Object.entries(value).flatMap(([field, entry]) => [field, luaValueOf(entry)])
}

/** ioredis-mock rounds the seconds and takes the microseconds from another clock; order needs one clock. */
function serverTime(): LuaValue {
  const nowMs = systemClock.nowMs()
  return [String(Math.floor(nowMs / 1_000)), String(Math.floor((nowMs % 1_000) * 1_000))]
}

function callMethod(mock: MockInstance, name: string, args: readonly unknown[]): Promise<unknown> {
  const method: unknown = Reflect.get(mock, name)
  if (typeof method !== 'function') throw new MockReplyError(`ERR unknown command`)
  return Promise.resolve(method.apply(mock, args))
}

function scriptCommand(scripts: Map<string, string>, args: readonly string[]): Promise<unknown> {
  const [action = '', ...rest] = args
  switch (action.toLowerCase()) {
    case 'flush':
      scripts.clear()
      return Promise.resolve('OK')
    case 'exists':
      return Promise.resolve(rest.map((sha1) => (scripts.has(sha1) ? 1 : 0)))
    case 'load': {
      const [source = ''] = rest
      scripts.set(sha1Of(source), source)
      return Promise.resolve(sha1Of(source))
    }
    default:
      throw new MockReplyError('ERR the mock knows SCRIPT LOAD, EXISTS and FLUSH only')
  }
}

function refuseWhenUnusable(mock: MockInstance): void {
  if (mock.subscriberMode) {
    throw new MockClientError('Connection in subscriber mode, only subscriber commands may be used')
  }
  if (!mock.connected && !mock.options.enableOfflineQueue) {
    throw new MockClientError("Stream isn't writeable and enableOfflineQueue options is false")
  }
}

function sha1Of(source: string): string {
  return createHash('sha1').update(source).digest('hex')
}

/** What ioredis itself throws without asking the server. */
class MockClientError extends Error {
  override readonly name = 'Error'
}
