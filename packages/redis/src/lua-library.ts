/** What compiled scripts may call of Lua's library: `format` and `match` with texts that are known when they are compiled. */

import {
  fail,
  type LuaAny,
  LuaError,
  type LuaFunction,
  LuaMany,
  LuaTable,
  textIn,
  toNumber,
  typeOf,
} from './lua-values.js'
import { LuaNotCompiled } from './lua-parser.js'
import { luaPattern } from './lua-pattern.js'

function text(value: LuaAny, at: number, name: string): string {
  return textIn(value) ?? wrong(at, name, 'string', value)
}

function number(value: LuaAny, at: number, name: string): number {
  return toNumber(value) ?? wrong(at, name, 'number', value)
}

function table(value: LuaAny, at: number, name: string): LuaTable {
  return value instanceof LuaTable ? value : wrong(at, name, 'table', value)
}

function wrong(at: number, name: string, expected: string, value: LuaAny): never {
  const got = value === undefined ? 'no value' : typeOf(value)
  throw new LuaError(`user_script: bad argument #${at} to '${name}' (${expected} expected, got ${got})`)
}

function sub(value: LuaAny, from: LuaAny, to: LuaAny): string {
  const whole = text(value, 1, 'sub')
  const { length } = whole
  const [first, last] = [number(from, 2, 'sub'), to === undefined ? -1 : number(to, 3, 'sub')]
  const begin = first < 0 ? Math.max(0, length + first) : Math.max(0, first - 1)
  return whole.slice(begin, Math.max(begin, last < 0 ? length + last + 1 : last))
}

function unpack(value: LuaAny, from: LuaAny, to: LuaAny): LuaAny {
  const { list } = table(value, 1, 'unpack')
  if (from === undefined && to === undefined) return new LuaMany(list)
  const begin = from === undefined ? 1 : number(from, 2, 'unpack')
  const end = to === undefined ? list.length : number(to, 3, 'unpack')
  const values: LuaAny[] = []
  for (let index = begin; index <= end; index += 1) values.push(table(value, 1, 'unpack').get(index))
  return new LuaMany(values)
}

function tableConcat(value: LuaAny, separator: LuaAny): string {
  const { list } = table(value, 1, 'concat')
  const texts = list.map((each, index) => {
    const known = textIn(each)
    if (known !== undefined) return known
    throw new LuaError(`user_script: invalid value (at index ${index + 1}) in table for 'concat'`)
  })
  return texts.join(separator === undefined ? '' : text(separator, 2, 'concat'))
}

function insert(...args: LuaAny[]): LuaAny {
  const [into, value] = args
  const list = table(into, 1, 'insert')
  if (args.length !== 2) throw new LuaError(`user_script: wrong number of arguments to 'insert'`)
  list.set(list.length + 1, value)
  return undefined
}

/** Library functions that return one value each, by their full name. */
export const LIBRARY: Readonly<Record<string, LuaFunction>> = {
  type: (value) => typeOf(value),
  tonumber: (value) => toNumber(value),
  'string.sub': sub,
  'string.len': (value) => text(value, 1, 'len').length,
  'string.rep': (value, count) => text(value, 1, 'rep').repeat(Math.max(0, number(count, 2, 'rep'))),
  'table.concat': tableConcat,
  'table.insert': insert,
  'math.floor': (value) => Math.floor(number(value, 1, 'floor')),
  'math.ceil': (value) => Math.ceil(number(value, 1, 'ceil')),
  'math.abs': (value) => Math.abs(number(value, 1, 'abs')),
  'math.max': (...values) => Math.max(...values.map((value, at) => number(value, at + 1, 'max'))),
  'math.min': (...values) => Math.min(...values.map((value, at) => number(value, at + 1, 'min'))),
  'redis.error_reply': (words) => tableWith('err', words),
  'redis.status_reply': (words) => tableWith('ok', words),
}

/** Those that return many. */
export const LIBRARY_OF_MANY: Readonly<Record<string, LuaFunction>> = { unpack }

/** How many arguments of a call are known here; a call with more is not compiled. */
export const ARGUMENTS_MAX: Readonly<Record<string, number>> = {
  tonumber: 1,
  'table.concat': 2,
  'table.insert': 2,
}

/** Members of Lua's tables that Lua 5.1 has not, which scripts ask for to run on later versions as well. */
export const MISSING = new Set(['table.unpack', 'table.pack'])

function tableWith(key: string, value: LuaAny): LuaTable {
  const made = new LuaTable()
  made.set(key, value)
  return made
}

/** `error`, with the place of the call in front of a text. */
export function raise(value: LuaAny, line: number): never {
  if (typeof value === 'string') fail(line, value)
  throw new LuaError(value)
}

const FORMAT = /%(?:(%)|(0?)(\d*)([ds])|(\.0f))/g

/** What `string.format` does with a text: `%s`, `%d` with a width, `%.0f`. */
export function formatter(pattern: string): LuaFunction {
  if (pattern.replaceAll(FORMAT, '').includes('%')) throw new LuaNotCompiled(`the format “${pattern}”`)
  return (...args) => {
    let at = 0
    return pattern.replaceAll(FORMAT, (_, percent: unknown, zero: string, width: string, kind: unknown) => {
      if (percent !== undefined) return '%'
      at += 1
      const value = args[at - 1]
      const written =
        kind === 's' ? text(value, at + 1, 'format') : whole(number(value, at + 1, 'format'), kind === 'd')
      return padded(written, Number(width), zero === '0')
    })
  }
}

/** A number without its fraction: cut off, or to the nearest, of two as near to the even one. */
function whole(value: number, isCut: boolean): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : Number.isNaN(value) ? '-nan' : '-inf'
  if (isCut) return BigInt(Math.trunc(value)).toString()
  const below = Math.floor(value)
  const isTie = value - below === 0.5
  return BigInt(isTie ? below + (below % 2 === 0 ? 0 : 1) : Math.round(value)).toString()
}

function padded(written: string, width: number, withZeros: boolean): string {
  if (written.length >= width) return written
  if (!withZeros) return written.padStart(width)
  return written.startsWith('-')
    ? `-${written.slice(1).padStart(width - 1, '0')}`
    : written.padStart(width, '0')
}

/** What `string.match` does with a pattern. */
export function matcher(pattern: string): LuaFunction {
  const find = luaPattern(pattern)
  return (value, from) => {
    const subject = text(value, 1, 'match')
    const begin = from === undefined ? 1 : number(from, 3, 'match')
    const place = begin < 0 ? Math.max(0, subject.length + begin) : Math.max(0, begin - 1)
    const found = find(subject, Math.min(place, subject.length))
    return found === undefined || found.length === 1 ? found?.[0] : new LuaMany(found)
  }
}
