/**
 * The base of every error that this library throws.
 *
 * A caller decides by `code` and `retryable`; the message says what was expected and what came. Errors are
 * branded, so that `instanceof` also holds between an ESM and a CJS copy of the same package.
 */

const BRAND = Symbol.for('kerp.error')

/** What every error carries beside its message. */
export interface KerpErrorFacts {
  /** Stable and for machines, for example `VOUCHER_CONFLICT`; every code is listed in docs/errors.md. */
  readonly code: string
  /** True when the same call may succeed later and was not applied, or is safe to repeat with the same id. */
  readonly retryable: boolean
  readonly cause?: unknown
}

/**
 * Base class of all errors of this library.
 *
 * Every subclass declares its own `static readonly errorName`, a literal, so that a minifier cannot rename it
 * and `instanceof` can compare it across two copies of a package.
 */
export class KerpError extends Error {
  static readonly errorName: string = 'KerpError'

  readonly code: string
  readonly retryable: boolean

  /** `message` is left out by a class that makes it when it is read. */
  constructor(message: string | undefined, facts: KerpErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = new.target.errorName
    this.code = facts.code
    this.retryable = facts.retryable
  }

  /** Only the facts that are safe to send to a client: no cause, no stack. */
  toJSON(): { name: string; code: string; message: string; retryable: boolean } {
    return { name: this.name, code: this.code, message: this.message, retryable: this.retryable }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false
    try {
      const lineage: unknown = Reflect.get(value, BRAND)
      if (!Array.isArray(lineage) || !Object.hasOwn(this, 'errorName')) {
        return Function.prototype[Symbol.hasInstance].call(this, value)
      }
      return lineage.includes(this.errorName)
    } catch {
      // What was thrown may be a revoked proxy, and asking what it is must not throw in its place.
      return false
    }
  }
}

// On the prototype, not on each error: an abort may make a hundred thousand of them at once.
Object.defineProperty(KerpError.prototype, BRAND, {
  get(this: KerpError) {
    return lineageOf(this.constructor)
  },
})

/** By class. */
const lineages = new WeakMap<object, readonly string[]>()

function lineageOf(constructor: object): readonly string[] {
  const known = lineages.get(constructor)
  if (known !== undefined) return known
  const lineage = walkLineage(constructor)
  lineages.set(constructor, lineage)
  return lineage
}

function walkLineage(constructor: unknown): readonly string[] {
  const names: string[] = []
  let current: unknown = constructor
  while (typeof current === 'function') {
    const name: unknown = Object.hasOwn(current, 'errorName') ? Reflect.get(current, 'errorName') : undefined
    if (typeof name === 'string') names.push(name)
    current = Object.getPrototypeOf(current)
  }
  return names
}

/** An option has a value that its class cannot work with. Thrown by constructors and factories, never later. */
export class InvalidOptionError extends KerpError {
  static override readonly errorName = 'InvalidOptionError'

  constructor(
    readonly owner: string,
    readonly option: string,
    expected: string,
    got: unknown,
  ) {
    super(`${owner} option \`${option}\` must be ${expected}, got ${describeValue(got)}.`, {
      code: 'INVALID_OPTION',
      retryable: false,
    })
  }
}

/** A call was given a value that it refuses; nothing was changed. */
export class InvalidInputError extends KerpError {
  static override readonly errorName: string = 'InvalidInputError'

  constructor(
    /** Path of the field, for example `lines[2].debit`. */
    readonly field: string,
    /** What would have been accepted, in words. */
    readonly expected: string,
    got: unknown,
    code = 'INVALID_INPUT',
    /** How the message shows `got`: another way for what no log may have. */
    describe: (value: unknown) => string = describeValue,
  ) {
    super(`\`${field}\` must be ${expected}, got ${describe(got)}.`, { code, retryable: false })
  }
}

/** The object was closed before the call, or while the call waited. */
export class ClosedError extends KerpError {
  static override readonly errorName = 'ClosedError'

  constructor(readonly owner: string) {
    super(`${owner} is closed.`, { code: 'CLOSED', retryable: false })
  }
}

/** The call's deadline passed. `outcome` says whether its effect can have happened. */
export class DeadlineExceededError extends KerpError {
  static override readonly errorName = 'DeadlineExceededError'

  constructor(
    readonly operation: string,
    readonly deadlineMs: number,
    /** `notDone`: it certainly had no effect. `unknown`: repeat it with the same id to learn. */
    readonly outcome: 'notDone' | 'unknown',
  ) {
    super(`${operation} did not finish within ${Math.round(deadlineMs)} ms; its outcome is ${outcome}.`, {
      code: 'DEADLINE_EXCEEDED',
      retryable: true,
    })
  }
}

/** A bounded queue, map or set of work in flight is full; nothing was accepted. */
export class OverloadedError extends KerpError {
  static override readonly errorName = 'OverloadedError'

  constructor(
    readonly owner: string,
    readonly bound: string,
    readonly max: number,
  ) {
    super(`${owner} is full: ${bound} is ${max}.`, { code: 'OVERLOADED', retryable: true })
  }
}

/** Shows a value in a message: its text, bounded and without control characters, and its type. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'undefined'
  if (typeof value === 'string') return `${quote(value)} (string)`
  if (typeof value === 'object') return describeObject(value)
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return describePrimitive(value)
}

function describeObject(value: object): string {
  try {
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
  } catch {
    return 'an object that cannot be read'
  }
}

function describePrimitive(value: unknown): string {
  const text =
    typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '?'
  return showPrimitive(text, value)
}

function showPrimitive(text: string, value: unknown): string {
  const shown = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}… of ${text.length} characters` : text
  return `${shown} (${typeof value})`
}

/**
 * Shows the form of an amount, or of a text that has amounts in it, and none of its digits: messages end up in logs. `-1.005` is
 * shown as `-#.###`, and zero as it is.
 */
export function describeAmount(value: unknown): string {
  if (typeof value === 'string') return describeValue(maskDigits(value))
  if (typeof value === 'bigint' || typeof value === 'number')
    return showPrimitive(maskDigits(String(value)), value)
  return describeValue(value)
}

function maskDigits(text: string): string {
  return /(?!0)\p{Nd}/u.test(text) ? text.replace(/\p{Nd}/gu, '#') : text
}

const SHOWN_MAX = 60

/** What JSON leaves raw and a terminal or a reader may obey: C1 controls, line and direction marks. */
const UNSEEN = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** The password in a URL, which is often given instead of a client or a pool. */
const PASSWORD = /(\/\/[^\s/:@]*):[^\s/@]*@/g

function quote(given: string): string {
  const text = given.replace(PASSWORD, '$1:…@')
  const shown = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
  const quoted = JSON.stringify(shown).replace(UNSEEN, escapeUnit)
  return `${quoted}${text.length > SHOWN_MAX ? ` of ${text.length} characters` : ''}`
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
