/**
 * What calls answer: plain fields with exact amounts as `bigint`, and a JSON form with the same amounts as text.
 *
 * JSON has no exact numbers, and `JSON.stringify` throws for a bigint. A spread copy is a plain object without the
 * JSON form: write its bigints with `String`, or with `formatAmount` and a currency.
 */

/** A value as JSON carries it: bigints as decimal text, moments in ISO 8601, all else as it is. */
export type ExactJson<T> = T extends bigint | Date
  ? string
  : T extends (...args: never[]) => unknown
    ? never
    : T extends readonly (infer E)[]
      ? readonly ExactJson<E>[]
      : T extends object
        ? { readonly [Name in keyof T as Name extends 'toJSON' ? never : Name]: ExactJson<T[Name]> }
        : T

/** A value that knows its JSON form. */
export type ExactValue<T> = T & { toJSON(): ExactJson<T> }

// The prototype has no constructor of its own, so that a value is printed and compared as the plain object that it is.
const EXACT = Object.create(Object.prototype, {
  toJSON: {
    value(this: object) {
      return exactJson({ ...this })
    },
  },
}) as object

/**
 * Gives fields a JSON form; `console.log`, a comparison, a spread and `structuredClone` see the fields.
 *
 * @example
 * const total = exactValue({ account: '1101', debit: 2n ** 64n })
 * JSON.stringify(total) // => '{"account":"1101","debit":"18446744073709551616"}'
 */
export function exactValue<T extends object>(fields: T): ExactValue<T> {
  return Object.assign(Object.create(EXACT) as object, fields) as ExactValue<T>
}

/**
 * The JSON form of a value: bigints as decimal text, moments in ISO 8601.
 *
 * @example
 * exactJson({ amounts: [1n, -2n] }) // => { amounts: ['1', '-2'] }
 */
export function exactJson<T>(value: T): ExactJson<T> {
  return writeJson(value) as ExactJson<T>
}

function writeJson(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(writeJson)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, writeJson(part)]))
}
