/**
 * A short name for a set of parameters: equal parameters give the same text, whatever the order of their keys,
 * and values of different types never look alike.
 */

import { createHash } from 'node:crypto'
import { InvalidKeyError } from './errors.js'

/** How deep lists and objects may lie in each other. */
const DEPTH_MAX = 16

/** The most characters of the canonical text that is hashed. */
const CANONICAL_LENGTH_MAX = 65_536

/** Stands in front of what is hashed; raised when the canonical text changes its form. */
const FORMAT = 'p1'

const EXPECTED =
  'made of strings, finite numbers, bigints, booleans, null, valid dates, lists and plain objects'

/**
 * Hashes parameters to 43 characters of `A-Z a-z 0-9 _ -` (SHA-256).
 *
 * Equal: objects with the same entries in any order, an entry that is undefined and a missing one, strings that
 * are equal after NFC, `-0` and `0`. Different: `1`, `'1'`, `1n`, `true` and a `Date`; `null` and a missing
 * entry; a list and its elements in another order. Costs a few microseconds.
 *
 * @throws {InvalidKeyError} `INVALID_KEY`, not retryable: another type (function, symbol, `Map`, class
 * instance), `NaN`, infinity, an invalid date, an undefined element of a list, two keys that are the same after
 * NFC, more than 16 levels (so also a circle), or more than 65,536 characters.
 * @example
 * hashParameters({ from: '2026-01', to: '2026-12' }) === hashParameters({ to: '2026-12', from: '2026-01' }) // true
 */
export function hashParameters(parameters: object): string {
  const given: unknown = parameters
  if (typeof given !== 'object' || given === null) {
    throw new InvalidKeyError('parameters', 'an object or a list', given)
  }
  const canonical = new CanonicalText()
  canonical.write(given, 'parameters', 0)
  return createHash('sha256').update(canonical.text).digest('base64url')
}

class CanonicalText {
  text = `${FORMAT}|`

  // Each value begins with a character that tells its type and ends where its own syntax says, so that the
  // text can be read back in one way only.
  write(value: unknown, path: string, depth: number): void {
    if (depth > DEPTH_MAX) throw new InvalidKeyError(path, `at most ${DEPTH_MAX} levels deep`, value)
    if (typeof value === 'object' && value !== null) this.#writeObject(value, path, depth)
    else this.#append(scalarText(value, path), path)
  }

  #writeObject(value: object, path: string, depth: number): void {
    if (Array.isArray(value)) this.#writeList(value, path, depth)
    else if (value instanceof Date) this.#append(dateText(value, path), path)
    else if (isPlainObject(value)) this.#writeEntries(value, path, depth)
    else throw new InvalidKeyError(path, EXPECTED, value)
  }

  #writeList(list: readonly unknown[], path: string, depth: number): void {
    this.#append('[', path)
    for (let index = 0; index < list.length; index += 1) {
      this.write(list[index], `${path}[${index}]`, depth + 1)
      this.#append(',', path)
    }
    this.#append(']', path)
  }

  #writeEntries(object: object, path: string, depth: number): void {
    const entries = Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]: [string, unknown]) => ({ name: name.normalize('NFC'), value }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    let previous: string | undefined
    this.#append('{', path)
    for (const { name, value } of entries) {
      if (name === previous)
        throw new InvalidKeyError(path, 'without two keys that are equal after NFC', name)
      previous = name
      this.#append(`${JSON.stringify(name)}:`, path)
      this.write(value, `${path}${shownName(name)}`, depth + 1)
      this.#append(',', path)
    }
    this.#append('}', path)
  }

  #append(text: string, path: string): void {
    if (this.text.length + text.length > CANONICAL_LENGTH_MAX) {
      throw new InvalidKeyError(path, `part of at most ${CANONICAL_LENGTH_MAX} characters in all`, text)
    }
    this.text += text
  }
}

function scalarText(value: unknown, path: string): string {
  if (value === null) return 'z'
  if (typeof value === 'string') return JSON.stringify(value.normalize('NFC'))
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (typeof value === 'bigint') return `b${value}`
  if (typeof value === 'number' && Number.isFinite(value)) return `n${value}`
  throw new InvalidKeyError(path, EXPECTED, value)
}

function dateText(value: Date, path: string): string {
  const ms = value.getTime()
  if (Number.isNaN(ms)) throw new InvalidKeyError(path, 'a valid date', value)
  return `d${ms}`
}

// A name of the caller's is shown in an error only if it cannot be mistaken for anything else.
function shownName(name: string): string {
  return /^\w{1,40}$/.test(name) ? `.${name}` : '[…]'
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
