/** The checks that every `resolve…Options` uses, with the one shape of message. */

import { InvalidInputError, InvalidOptionError } from './errors.js'

/** Options with every choice made: no property is missing, and none is undefined. */
export type Complete<T> = { readonly [Name in keyof T]-?: Exclude<T[Name], undefined> }

/** The bounds of a whole-number option; `max` defaults to the largest safe integer. */
export interface WholeNumberBounds {
  readonly min: number
  readonly max?: number | undefined
  readonly fallback: number
}

/**
 * A whole number within bounds, or its fallback when it was left out.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`: Locks option `ttlMs` must be a whole number from 100 up, got -5 (number).
 */
export function wholeNumberOption(
  owner: string,
  option: string,
  value: unknown,
  bounds: WholeNumberBounds,
): number {
  if (value === undefined) return bounds.fallback
  const max = bounds.max ?? Number.MAX_SAFE_INTEGER
  if (typeof value === 'number' && Number.isInteger(value) && value >= bounds.min && value <= max)
    return value
  const range = bounds.max === undefined ? `from ${bounds.min} up` : `from ${bounds.min} to ${bounds.max}`
  throw new InvalidOptionError(owner, option, `a whole number ${range}`, value)
}

/** One of a closed set of words, or its fallback when it was left out. */
export function oneOfOption<T extends string>(
  owner: string,
  option: string,
  value: unknown,
  words: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw new InvalidOptionError(owner, option, `one of ${words.join(', ')}`, value)
  return word
}

/** A text that matches a pattern, or its fallback when it was left out. */
export function textOption(
  owner: string,
  option: string,
  value: unknown,
  rule: { readonly pattern: RegExp; readonly words: string; readonly fallback: string },
): string {
  if (value === undefined) return rule.fallback
  if (typeof value === 'string' && rule.pattern.test(value)) return value
  throw new InvalidOptionError(owner, option, rule.words, value)
}

/**
 * The options of a constructor, which must be an object.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`: Consumer option `options` must be an object, got undefined.
 */
export function objectOptions<T extends object>(owner: string, options: T, option = 'options'): T {
  const given: unknown = options
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return options
  throw new InvalidOptionError(owner, option, 'an object', given)
}

/**
 * A part that is given to a constructor, which must have the methods that will be called.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`: LogFeed option `source` must be the log of events, got undefined.
 */
export function partOption<T>(
  owner: string,
  option: string,
  part: T,
  rule: { readonly methods: readonly string[]; readonly words: string },
): T {
  const given: unknown = part
  const isPart =
    typeof given === 'object' &&
    given !== null &&
    rule.methods.every((method) => typeof Reflect.get(given, method) === 'function')
  if (isPart) return part
  // A text in place of a part is mostly an address, and that may hold a password.
  throw new InvalidOptionError(
    owner,
    option,
    rule.words,
    typeof given === 'string' ? '(a text, not shown)' : given,
  )
}

/**
 * A function that is given to a constructor.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`: Consumer option `handler` must be a function, got undefined.
 */
export function functionOption<T>(owner: string, option: string, value: T): T {
  if (typeof value === 'function') return value
  throw new InvalidOptionError(owner, option, 'a function', value)
}

/**
 * An argument that must be an object: callers may come from JavaScript.
 *
 * @throws {InvalidInputError} `INVALID_INPUT`
 */
export function objectInput<T>(field: string, value: T, expected = 'an object'): T {
  if (typeof value === 'object' && value !== null) return value
  throw new InvalidInputError(field, expected, value)
}

/** An argument that must be a list. @throws {InvalidInputError} `INVALID_INPUT` */
export function listInput<T>(field: string, value: readonly T[]): readonly T[] {
  const isList: boolean = Array.isArray(value)
  if (isList) return value
  throw new InvalidInputError(field, 'a list', value)
}
