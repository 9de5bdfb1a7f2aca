/**
 * What a key is made of: tenant ids, encoded parts, fiscal years, their limits, and the way back.
 *
 * An encoded part consists of `A-Z a-z 0-9 . _ - %` alone, so that the colon between parts, the braces of the
 * hash tag and the characters of glob patterns can only stand where the builder puts them.
 */

import { canonicalName, NAME_BYTES_MAX } from '@kerp/core'
import { InvalidKeyError } from './errors.js'

/** The most bytes of one part, in UTF-8 after NFC and before percent-encoding. */
export const PART_BYTES_MAX = NAME_BYTES_MAX

/** The most bytes of a tag, which may be a name with a word in front. */
export const TAG_BYTES_MAX = 160

/** The most bytes of a whole key, percent-encoded: whatever parts are allowed, their key fits. */
export const KEY_BYTES_MAX = 1_024

/** A namespace: as it stands in front of a key, without its colon. */
export const NAMESPACE_PATTERN = /^[A-Za-z0-9][\w.-]{0,31}$/

const COMPANY_ID = /^[A-Za-z0-9][\w-]{0,62}$/
const PLAIN_PART = /^[\w.-]+$/
const FISCAL_YEAR = /^[1-9]\d{0,3}$/
const LEFT_BY_URI_ENCODING = /[!~*'()]/g
/** Whether a value is a tenant id, so that it may stand in a hash tag as it is. */
export function isCompanyId(value: unknown): value is string {
  return typeof value === 'string' && COMPANY_ID.test(value)
}

/** Whether a value is a part that needs no encoding. */
export function isPlainPart(value: unknown): value is string {
  return typeof value === 'string' && value.length <= PART_BYTES_MAX && PLAIN_PART.test(value)
}

/** Whether a text is a fiscal year as keys and register refs carry it: 1 to 9999, no leading zero. */
export function isFiscalYearText(value: unknown): value is string {
  return typeof value === 'string' && FISCAL_YEAR.test(value)
}

/**
 * Returns a tenant id unchanged: up to 63 letters, digits, `-` and `_`, of which the first is a letter or digit.
 *
 * @throws {InvalidKeyError} `INVALID_KEY`, not retryable, for anything else; nothing is repaired.
 * @example
 * validateCompanyId('c1') // 'c1'
 */
export function validateCompanyId(value: unknown): string {
  if (isCompanyId(value)) return value
  throw new InvalidKeyError('companyId', 'up to 63 of A-Z a-z 0-9 _ - starting with a letter or digit', value)
}

/**
 * The one spelling of a part (account, item, warehouse, …): Unicode NFC. Texts that look the same and differ
 * in composition name the same thing, in keys as in the database.
 *
 * @throws {InvalidKeyError} `INVALID_KEY`, not retryable: not a text, empty, over 128 bytes, or a lone surrogate.
 */
export function canonicalPart(value: unknown, field = 'part', bytesMax = PART_BYTES_MAX): string {
  if (isPlainPart(value)) return value
  const part = canonicalName(value, bytesMax)
  if (part !== undefined) return part
  const words = `a non-empty text of at most ${bytesMax} bytes without lone surrogates`
  throw new InvalidKeyError(field, words, value)
}

/** A part as it stands in a key: NFC, every byte outside `[A-Za-z0-9._-]` as `%` and two capital digits. */
export function encodePart(value: unknown, field: string, bytesMax = PART_BYTES_MAX): string {
  if (isPlainPart(value)) return value
  return encodeURIComponent(canonicalPart(value, field, bytesMax)).replace(
    LEFT_BY_URI_ENCODING,
    percentEncode,
  )
}

/** The part that `encodePart` encoded, or undefined for a text that it never returns. */
export function decodePart(encoded: string, bytesMax = PART_BYTES_MAX): string | undefined {
  if (isPlainPart(encoded)) return encoded
  try {
    const part = decodeURIComponent(encoded)
    return encodePart(part, 'part', bytesMax) === encoded ? part : undefined
  } catch {
    return undefined
  }
}

/**
 * A fiscal year as it stands in a key.
 *
 * @throws {InvalidKeyError} `INVALID_KEY`, not retryable, for anything but a whole number from 1 to 9999.
 */
export function encodeFiscalYear(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : ''
  if (isFiscalYearText(text)) return text
  throw new InvalidKeyError('fiscalYear', 'a whole number from 1 to 9999', value)
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
