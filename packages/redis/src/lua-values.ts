/**
 * Lua's values and operators for compiled scripts: nil is undefined, a string is one whose characters are bytes, and numbers
 * are doubles, as in the Lua 5.1 of Redis.
 */

/** Anything that a script can hold. */
export type LuaAny = string | number | boolean | undefined | LuaTable | LuaFunction | LuaMany

/** A function of a script, or of its library. */
export type LuaFunction = (...args: LuaAny[]) => LuaAny

/** What a call returns that returns not just one value. */
export class LuaMany {
  constructor(readonly values: readonly LuaAny[]) {}
}

/** What a script throws: a text with its place, or a table with `err`. */
export class LuaError extends Error {
  override readonly name = 'LuaError'

  constructor(readonly value: LuaAny) {
    super(typeof value === 'string' ? value : 'a script failed')
  }
}

/** A table: its list and everything else. */
export class LuaTable {
  /** From index 1 on; a hole is undefined, the last is none. */
  readonly list: LuaAny[]
  #rest: Map<LuaAny, LuaAny> | undefined

  constructor(list: LuaAny[] = []) {
    this.list = list
    this.#trim()
  }

  get length(): number {
    return this.list.length
  }

  get(key: LuaAny): LuaAny {
    if (typeof key === 'number' && key >= 1 && key <= this.list.length && Number.isInteger(key)) {
      return this.list[key - 1]
    }
    return this.#rest?.get(key)
  }

  set(key: LuaAny, value: LuaAny): void {
    if (typeof key === 'number' && Number.isInteger(key) && key >= 1) {
      if (key <= this.list.length) {
        this.list[key - 1] = value
        if (value === undefined) this.#trim()
        return
      }
      if (key === this.list.length + 1) {
        this.#append(value)
        return
      }
    }
    if (value === undefined) this.#rest?.delete(key)
    else (this.#rest ??= new Map()).set(key, value)
  }

  entries(): readonly (readonly [LuaAny, LuaAny])[] {
    const listed = this.list.map((value, index) => [index + 1, value] as const)
    return [...listed.filter(([, value]) => value !== undefined), ...(this.#rest ?? [])]
  }

  #append(value: LuaAny): void {
    if (value === undefined) {
      this.#rest?.delete(this.list.length + 1)
      return
    }
    this.list.push(value)
    if (this.#rest === undefined) return
    this.#rest.delete(this.list.length)
    for (let next = this.list.length + 1; this.#rest.has(next); next += 1) {
      this.list.push(this.#rest.get(next))
      this.#rest.delete(next)
    }
  }

  #trim(): void {
    while (this.list.length > 0 && this.list[this.list.length - 1] === undefined) this.list.pop()
  }
}

/** The one value of a call where one is meant. */
export function first(value: LuaAny): LuaAny {
  return value instanceof LuaMany ? value.values[0] : value
}

/** All values of a call where all are meant. */
export function all(value: LuaAny): readonly LuaAny[] {
  return value instanceof LuaMany ? value.values : [value]
}

/** Whether a condition holds: all but nil and false do. */
export function holds(value: LuaAny): boolean {
  return value !== undefined && value !== false
}

/** What `type` says. */
export function typeOf(value: LuaAny): string {
  if (value === undefined) return 'nil'
  return value instanceof LuaTable ? 'table' : typeof value
}

/** Throws what an operation says of a value that it is not for. */
export function fail(line: number, words: string): never {
  throw new LuaError(`user_script:${line}: ${words}`)
}

/** `of[key]`. */
export function index(of: LuaAny, key: LuaAny, line: number): LuaAny {
  return of instanceof LuaTable ? of.get(key) : fail(line, `attempt to index a ${typeOf(of)} value`)
}

/** `of[key] = value`. */
export function setIndex(of: LuaAny, key: LuaAny, value: LuaAny, line: number): void {
  if (!(of instanceof LuaTable)) fail(line, `attempt to index a ${typeOf(of)} value`)
  if (key === undefined) fail(line, 'table index is nil')
  if (typeof key === 'number' && Number.isNaN(key)) fail(line, 'table index is NaN')
  of.set(key, value)
}

/** What is called, if it can be. */
export function callable(value: LuaAny, line: number): LuaFunction {
  return typeof value === 'function' ? value : fail(line, `attempt to call a ${typeOf(value)} value`)
}

/** What `ipairs` and `pairs` go over. */
export function tableOf(value: LuaAny, line: number): LuaTable {
  return value instanceof LuaTable
    ? value
    : fail(line, `bad argument #1 to 'for iterator' (table expected, got ${typeOf(value)})`)
}

/** `#value`. */
export function length(value: LuaAny, line: number): number {
  if (typeof value === 'string') return value.length
  return value instanceof LuaTable
    ? value.length
    : fail(line, `attempt to get length of a ${typeOf(value)} value`)
}

/** A number, or a text that is one. */
export function numberIn(value: LuaAny, line: number): number {
  return toNumber(value) ?? fail(line, `attempt to perform arithmetic on a ${typeOf(value)} value`)
}

/** `left + right`. */
export function add(left: LuaAny, right: LuaAny, line: number): number {
  return typeof left === 'number' && typeof right === 'number'
    ? left + right
    : numberIn(left, line) + numberIn(right, line)
}

/** `left - right`. */
export function subtract(left: LuaAny, right: LuaAny, line: number): number {
  return typeof left === 'number' && typeof right === 'number'
    ? left - right
    : numberIn(left, line) - numberIn(right, line)
}

/** `left % right`, with the sign of `right`. */
export function modulo(left: LuaAny, right: LuaAny, line: number): number {
  const [dividend, divisor] = [numberIn(left, line), numberIn(right, line)]
  return dividend - Math.floor(dividend / divisor) * divisor
}

/** `left .. right`. */
export function concat(left: LuaAny, right: LuaAny, line: number): string {
  if (typeof left === 'string' && typeof right === 'string') return left + right
  const [before, after] = [textIn(left), textIn(right)]
  if (before === undefined || after === undefined) {
    fail(line, `attempt to concatenate a ${typeOf(before === undefined ? left : right)} value`)
  }
  return before + after
}

/** `left < right`: numbers by size, texts by bytes. */
export function isLess(left: LuaAny, right: LuaAny, line: number): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right
  if (typeof left === 'string' && typeof right === 'string') return left < right
  return cannotCompare(left, right, line)
}

/** `left <= right`. */
export function isAtMost(left: LuaAny, right: LuaAny, line: number): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left <= right
  if (typeof left === 'string' && typeof right === 'string') return left <= right
  return cannotCompare(left, right, line)
}

/** `left > right`. */
export function isMore(left: LuaAny, right: LuaAny, line: number): boolean {
  return isLess(right, left, line)
}

/** `left >= right`. */
export function isAtLeast(left: LuaAny, right: LuaAny, line: number): boolean {
  return isAtMost(right, left, line)
}

function cannotCompare(left: LuaAny, right: LuaAny, line: number): never {
  const [one, other] = [typeOf(left), typeOf(right)]
  return fail(
    line,
    one === other ? `attempt to compare two ${one} values` : `attempt to compare ${one} with ${other}`,
  )
}

const NUMERAL = /^[-+]?(?:0[xX][\da-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)$/

/** Undefined for what is no number and no text of one. */
export function toNumber(value: LuaAny): number | undefined {
  if (typeof value === 'number') return value
  const text = typeof value === 'string' ? value.trim() : ''
  if (!NUMERAL.test(text)) return undefined
  const number = Number(/^[-+]/.test(text) ? text.slice(1) : text)
  return text.startsWith('-') ? -number : number
}

/** Undefined for what is no text and no number. */
export function textIn(value: LuaAny): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? textOfNumber(value) : undefined
}

const DIGITS = 14

/** As `%.14g` writes it. */
export function textOfNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** DIGITS)
    return Object.is(value, -0) ? '-0' : String(value)
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  const [mantissa = '', exponentText = '0'] = value.toExponential(DIGITS - 1).split('e')
  const exponent = Number(exponentText)
  if (exponent >= -4 && exponent < DIGITS) return withoutZeros(value.toFixed(DIGITS - 1 - exponent))
  const digits = String(Math.abs(exponent)).padStart(2, '0')
  return `${withoutZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`
}

function withoutZeros(text: string): string {
  if (!text.includes('.')) return text
  let end = text.length
  while (text[end - 1] === '0') end -= 1
  return text.slice(0, text[end - 1] === '.' ? end - 1 : end)
}
