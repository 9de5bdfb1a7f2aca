/**
 * Lua scripts as typed functions: named keys and arguments, EVALSHA with EVAL behind it, one outcome.
 *
 * The `local name = KEYS[i]` lines are generated from the same list that orders the call, so that slots and
 * names cannot drift apart.
 */

import { createHash } from 'node:crypto'
import { InvalidInputError, InvalidOptionError, type Observer, isError, objectOptions } from '@kerp/core'
import { refuseUnsafeClient } from './client-check.js'
import { send } from './command.js'
import {
  type CallReceiver,
  isMissingScript,
  type RedisCallOptions,
  type RedisClient,
  rejected,
  type Request,
  settleTo,
} from './outcome.js'

/** What a script is made of. */
export interface ScriptDefinition<K extends string, A extends string, R> {
  /** Kebab-case verb and noun; the operation in errors and observations. */
  readonly name: string
  /** Names of the fixed keys, in the order of KEYS. Each is a local variable of the script. */
  readonly keys: readonly K[]
  /** Names of the fixed arguments, in the order of ARGV. Each is a local variable of the script. */
  readonly args: readonly A[]
  /**
   * The body. `firstKey` and `firstArg` hold the index of the first key of `moreKeys` and the first argument
   * of `moreArgs`. It replies with integers, strings and lists only, and checks before it writes.
   */
  readonly lua: string
  /** Narrows the reply; throws when it has another shape. */
  readonly parse: (reply: unknown) => R
}

/** What one run of a script accepts beside its fixed keys and arguments. */
export interface ScriptCallOptions extends RedisCallOptions {
  /** Keys after the fixed ones. */
  readonly moreKeys?: readonly string[] | undefined
  /** Arguments after the fixed ones. */
  readonly moreArgs?: readonly string[] | undefined
}

/** A script that was defined. */
export interface Script<K extends string, A extends string, R> {
  readonly name: string
  /** The whole source as it is sent. */
  readonly lua: string
  readonly sha1: string
  /**
   * Runs the script; on a server that does not hold it, sends it whole. Both count against one deadline.
   *
   * Cost: one round trip. The script is never run inside MULTI, and nothing is defined on the client.
   *
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable: it had no effect.
   * @throws {RedisUnknownError} `REDIS_UNKNOWN`, retryable with the same operation id.
   * @throws {RedisRefusedError} `REDIS_REFUSED`, not retryable.
   * @throws {InvalidInputError} `INVALID_INPUT` when a fixed key or argument is not a string.
   */
  run(
    redis: RedisClient,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    call?: ScriptCallOptions,
  ): Promise<R>
  /**
   * `run` that tells a receiver, without a promise of its own: for calls whose cost counts. The receiver hears how
   * the call ended, once, and must not throw.
   */
  tell(
    redis: RedisClient,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    call: ScriptCallOptions,
    receiver: CallReceiver<R>,
  ): void
}

/**
 * Defines a script.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a name that Lua cannot hold, or that is used twice.
 * @example
 * const storeNewer = defineScript({
 *   name: 'store-newer',
 *   keys: ['stored'],
 *   args: ['version'],
 *   lua: `
 *     local known = redis.call('GET', stored)
 *     if known and known >= version then return 0 end
 *     redis.call('SET', stored, version)
 *     return 1`,
 *   parse: Number,
 * })
 * const redis = mockRedis()
 * await storeNewer.run(redis, { stored: 'k' }, { version: '0000000000000007' }) // 1
 * await storeNewer.run(redis, { stored: 'k' }, { version: '0000000000000006' }) // 0
 */
export function defineScript<const K extends string, const A extends string, R>(
  definition: ScriptDefinition<K, A, R>,
): Script<K, A, R> {
  objectOptions('defineScript', definition)
  for (const list of ['keys', 'args'] as const) {
    if (!Array.isArray(definition[list]))
      throw new InvalidOptionError('defineScript', list, 'a list of names', definition[list])
  }
  checkNames(definition.name, [...definition.keys, ...definition.args])
  return new DefinedScript(definition)
}

const NO_OPTIONS: ScriptCallOptions = {}
const NONE: readonly string[] = []

class DefinedScript<K extends string, A extends string, R> implements Script<K, A, R> {
  readonly name: string
  readonly lua: string
  readonly sha1: string
  readonly parse: (reply: unknown) => R
  readonly #keys: readonly K[]
  readonly #args: readonly A[]

  constructor({ name, keys, args, lua, parse }: ScriptDefinition<K, A, R>) {
    this.name = name
    this.parse = parse
    this.#keys = keys
    this.#args = args
    this.lua = `${header(name, keys, args)}${lua}`
    this.sha1 = createHash('sha1').update(this.lua).digest('hex')
  }

  run(
    redis: RedisClient,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    call: ScriptCallOptions = NO_OPTIONS,
  ): Promise<R> {
    return new Promise((answered, failed) => this.tell(redis, keys, args, call, { answered, failed }))
  }

  tell(
    redis: RedisClient,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    call: ScriptCallOptions,
    receiver: CallReceiver<R>,
  ): void {
    try {
      refuseUnsafeClient(redis)
      const request = new ScriptRequest(this, this.#slots(keys, args, call), call.observer)
      settleTo(redis, request, call, receiver)
    } catch (error) {
      receiver.failed(isError(error) ? error : new InvalidInputError('script', 'a script', this.name))
    }
  }

  #slots(
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    { moreKeys = NONE, moreArgs = NONE }: ScriptCallOptions,
  ): readonly string[] {
    const slots = [this.sha1, String(this.#keys.length + moreKeys.length)]
    for (const key of this.#keys) slots.push(textOf(key, keys[key]))
    for (const key of moreKeys) slots.push(key)
    for (const arg of this.#args) slots.push(textOf(arg, args[arg]))
    for (const arg of moreArgs) slots.push(arg)
    return slots
  }
}

/** One run of a script. */
class ScriptRequest<R> implements Request<R> {
  readonly #script: DefinedScript<string, string, R>
  readonly #slots: readonly string[]
  readonly #observer: Observer | undefined

  constructor(
    script: DefinedScript<string, string, R>,
    slots: readonly string[],
    observer: Observer | undefined,
  ) {
    this.#script = script
    this.#slots = slots
    this.#observer = observer
  }

  get operation(): string {
    return this.#script.name
  }

  send(redis: RedisClient): Promise<unknown> {
    return send(redis, 'evalsha', this.#slots)
  }

  parse(reply: unknown): R {
    return this.#script.parse(reply)
  }

  resend(redis: RedisClient, error: unknown): Promise<unknown> | undefined {
    if (!isMissingScript(error)) return undefined
    observeFallback(this.#observer, this.operation)
    try {
      return send(redis, 'eval', [this.#script.lua, ...this.#slots.slice(1)])
    } catch (refusal) {
      return rejected(refusal)
    }
  }
}

function observeFallback(observer: Observer | undefined, script: string): void {
  try {
    observer?.scriptFallback?.({ script })
  } catch {
    // An observer that fails must not fail the call that it observes.
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  // Keys and arguments stay out of errors; the name of the slot is enough to find the mistake.
  throw new InvalidInputError(
    name,
    'a string',
    value === undefined ? value : `(a ${typeof value}, not shown)`,
  )
}

function header(name: string, keys: readonly string[], args: readonly string[]): string {
  const locals = [
    ...keys.map((key, index) => `local ${key} = KEYS[${index + 1}]`),
    ...args.map((arg, index) => `local ${arg} = ARGV[${index + 1}]`),
    `local firstKey = ${keys.length + 1}`,
    `local firstArg = ${args.length + 1}`,
  ]
  return `-- ${name}\n${locals.join('\n')}\n`
}

const SCRIPT_NAME = /^[a-z][a-z0-9-]{0,47}$/
const LUA_NAME = /^[a-z][A-Za-z0-9]{0,47}$/
const LUA_WORDS = new Set(
  (
    'and break do else elseif end false for function goto if in local nil not or repeat return then true ' +
    'until while redis firstKey firstArg'
  ).split(' '),
)

function checkNames(script: string, names: readonly string[]): void {
  if (!SCRIPT_NAME.test(script)) {
    throw new InvalidOptionError('defineScript', 'name', 'kebab-case of at most 48 characters', script)
  }
  const seen = new Set(LUA_WORDS)
  for (const name of names) {
    if (!LUA_NAME.test(name) || seen.has(name)) {
      throw new InvalidOptionError(
        `script ${script}`,
        'keys and args',
        'different names that Lua can hold',
        name,
      )
    }
    seen.add(name)
  }
}
