/** How a value becomes the text that Redis keeps, and is checked when it comes back. */

import { describeAmount, InvalidInputError } from './errors.js'

/** Turns values into text and back. `decode` throws rather than return a value of another shape. */
export interface Codec<T> {
  encode(value: T): string
  decode(text: string): T
}

/** What a JSON codec is made of. */
export interface JsonCodecOptions<T> {
  /** Stands in front of the text, so that a reader refuses what an incompatible writer stored. From 1 up. */
  readonly version: number
  /** Narrows what was parsed; throws when the shape is not `T`'s. */
  readonly check: (parsed: unknown) => T
  /** The most bytes of encoded text. @defaultValue 262_144 */
  readonly bytesMax?: number | undefined
}

const BYTES_MAX = 262_144

/**
 * JSON behind a version, with `bigint` written as a decimal string (so `check` reads it back with `BigInt`)
 * and keys that could poison a prototype refused, when writing too.
 *
 * Errors of both directions are `InvalidInputError` with code `INVALID_INPUT`.
 */
export function jsonCodec<T>(options: JsonCodecOptions<T>): Codec<T> {
  const prefix = `${options.version}|`
  const bytesMax = options.bytesMax ?? BYTES_MAX
  return {
    encode(value) {
      const text = `${prefix}${writeJson(value)}`
      if (Buffer.byteLength(text) > bytesMax) {
        throw new InvalidInputError(
          'value',
          `at most ${bytesMax} bytes when encoded`,
          text,
          undefined,
          describeAmount,
        )
      }
      return text
    },
    decode(text) {
      if (!text.startsWith(prefix)) {
        throw new InvalidInputError(
          'text',
          `a value of codec version ${options.version}`,
          text,
          undefined,
          describeAmount,
        )
      }
      return options.check(parseJson(text.slice(prefix.length)))
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, refusePoison)
  } catch (error) {
    if (error instanceof InvalidInputError) throw error
    throw new InvalidInputError('text', 'JSON', text, undefined, describeAmount)
  }
}

function writeJson(value: unknown): string {
  const text: unknown = tryStringify(value)
  if (typeof text === 'string') return text
  throw new InvalidInputError('value', 'something that JSON can carry', value)
}

function tryStringify(value: unknown): unknown {
  try {
    return JSON.stringify(value, (key, inner: unknown) => writeBigint(refusePoison(key, inner)))
  } catch (error) {
    if (error instanceof InvalidInputError) throw error
    return undefined
  }
}

function writeBigint(value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

function refusePoison(key: string, value: unknown): unknown {
  if (key === '__proto__' || key === 'constructor') {
    throw new InvalidInputError('text', 'JSON without the keys __proto__ and constructor', key)
  }
  return value
}
