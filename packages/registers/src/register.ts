/**
 * The texts that Redis keeps for registers, written and read back: register, lease, watermark.
 *
 * `r1|generation|version|field|field` is a register, `L|generation|token|pending` a lease, and
 * `w1|generation|epoch|position|asOfMs` the watermark of a company. `version|field|field` with the version
 * padded to 16 digits is called an image text; it is what scripts compare, as text.
 */

import { describeAmount, InvalidInputError, type RegisterImage, type RegisterRef } from '@kerp/core'

/** Digits of a version in an image text, so that texts compare in the order of the numbers. */
const VERSION_DIGITS = 16

/** The most characters of a field: totals may exceed the 38 digits of one amount. */
const FIELD_LENGTH_MAX = 80

const GENERATION_BYTES = 8
const REGISTER_PREFIX_LENGTH = 'r1|'.length + 2 * GENERATION_BYTES + '|'.length
const VERSION_END = REGISTER_PREFIX_LENGTH + VERSION_DIGITS
const FIELD = /^(?:0|-?[1-9]\d*)$/
const IMAGE = /^(\d{16})\|(-?\d+)\|(-?\d+)$/
const WATERMARK = /^w1\|([0-9a-f]{16})\|([^|]+)\|([^|]+)\|(\d{1,15})$/
const BAR = 124
const MINUS = 45
const ZERO = 48
const NINE = 57

/** How many random bytes make a generation; as hexadecimal text it has twice as many characters. */
export const GENERATION_RANDOM_BYTES = GENERATION_BYTES

/** What stands beside the registers of a company: how far they are, and which of them are valid. */
export interface Watermark {
  /** Registers and leases of another generation count as missing. Never used twice. */
  readonly generation: string
  readonly epoch: string
  readonly position: string
  /** The database's clock at `position`, in ms since 1970: the registers are at least as new. */
  readonly asOfMs: number
}

/** The watermark in a text, or undefined for anything that no relay wrote. */
export function parseWatermark(text: string | undefined): Watermark | undefined {
  const match = text === undefined ? undefined : WATERMARK.exec(text)
  const [, generation, epoch, position, asOfMs] = match ?? []
  if (generation === undefined || epoch === undefined || position === undefined) return undefined
  return { generation, epoch, position, asOfMs: Number(asOfMs) }
}

/**
 * A watermark as it stands in Redis.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a part that could not be read back.
 */
export function formatWatermark(watermark: Watermark): string {
  const { generation, epoch, position, asOfMs } = watermark
  const text = `w1|${generation}|${epoch}|${position}|${Math.floor(asOfMs)}`
  if (!WATERMARK.test(text)) throw new InvalidInputError('watermark', 'parts that can be read back', text)
  return text
}

/**
 * The image text of an image. Equal images have equal texts, so fields must be plain whole numbers.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a version or field that is not a plain whole number as text.
 */
export function imageText(image: RegisterImage): string {
  const { version, fields } = image
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new InvalidInputError('version', 'a whole number from 0 up', version)
  }
  return `${String(version).padStart(VERSION_DIGITS, '0')}|${checkField(fields[0], 0)}|${checkField(fields[1], 1)}`
}

function checkField(field: string, index: number): string {
  if (typeof field === 'string' && field.length <= FIELD_LENGTH_MAX && FIELD.test(field)) return field
  const expected = 'a plain whole number as a string'
  throw new InvalidInputError(`fields[${index}]`, expected, field, undefined, describeAmount)
}

/** The image in an image text, or undefined for another text. */
export function parseImageText(ref: RegisterRef, text: string): RegisterImage | undefined {
  const [, version, first, second] = IMAGE.exec(text) ?? []
  if (version === undefined || first === undefined || second === undefined) return undefined
  return { ref, version: Number(version), fields: [first, second] }
}

/** The version of an image text, and what stands behind it: the fields with a bar between them. */
export function splitImageText(text: string): { readonly version: number; readonly fields: string } {
  return { version: Number(text.slice(0, VERSION_DIGITS)), fields: text.slice(VERSION_DIGITS + '|'.length) }
}

/** Whether two image texts of a row contradict each other: one version with other fields. */
export function isFork(one: string, other: string): boolean {
  return one !== other && one.slice(0, VERSION_DIGITS) === other.slice(0, VERSION_DIGITS)
}

/** What every register of a generation begins with, as bytes, for `versionInBytes`. */
export function registerPrefix(generation: string): Buffer {
  return Buffer.from(`r1|${generation}|`, 'latin1')
}

/**
 * The version of a register, or -1 for bytes that are no register of the prefix's generation.
 *
 * It looks at every byte and allocates nothing: this runs a thousand times in a read of a thousand balances.
 */
export function versionInBytes(bytes: Buffer, prefix: Buffer): number {
  const { length } = bytes
  if (length <= VERSION_END) return -1
  for (let index = 0; index < REGISTER_PREFIX_LENGTH; index += 1) {
    if (bytes[index] !== prefix[index]) return -1
  }
  let at = REGISTER_PREFIX_LENGTH
  while (bytes[at] === ZERO && at < VERSION_END) at += 1
  let version = 0
  for (; at < VERSION_END; at += 1) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return -1
    version = version * 10 + digit
  }
  const second = fieldEnd(bytes, VERSION_END, length)
  return second > 0 && fieldEnd(bytes, second, length) === length ? version : -1
}

/** Where the field ends whose bar stands at `begin`, or -1 if no bar, perhaps a minus, and a digit stand there. */
function fieldEnd(bytes: Buffer, begin: number, end: number): number {
  if (begin + 1 >= end || bytes[begin] !== BAR) return -1
  const digits = bytes[begin + 1] === MINUS ? begin + 2 : begin + 1
  let at = digits
  while (at < end) {
    const byte = bytes[at] ?? 0
    if (byte < ZERO || byte > NINE) break
    at += 1
  }
  return at > digits ? at : -1
}

/** The fields of bytes that `versionInBytes` accepted, with a bar between them, in a text of their own. */
export function fieldsTextInBytes(bytes: Buffer): string {
  return bytes.toString('latin1', VERSION_END + 1)
}

/** The fields of bytes that `versionInBytes` accepted. */
export function fieldsInBytes(bytes: Buffer): readonly [string, string] {
  const text = fieldsTextInBytes(bytes)
  const bar = text.indexOf('|')
  return [text.slice(0, bar), text.slice(bar + 1)]
}
