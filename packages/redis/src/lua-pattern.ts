/** The patterns of Lua's `string.match`, read once; `%b`, `%f`, places and references are left to the interpreter. */

import { LuaNotCompiled } from './lua-parser.js'

/** What a match captured, or the whole of it if nothing was to be captured; undefined when nothing matches. */
export type LuaPattern = (subject: string, from: number) => readonly string[] | undefined

/** Which of the 256 bytes are meant. */
type Bytes = readonly boolean[]

type Repeats = '' | '*' | '+' | '-' | '?'

type Item =
  | { readonly is: 'bytes'; readonly bytes: Bytes; readonly repeats: Repeats }
  | { readonly is: 'open' | 'close' | 'end' }

interface Capture {
  readonly begin: number
  end: number
}

/** Reads a pattern. @throws {LuaNotCompiled} */
export function luaPattern(pattern: string): LuaPattern {
  const isAnchored = pattern.startsWith('^')
  const items = itemsOf(isAnchored ? pattern.slice(1) : pattern, pattern)
  return (subject, from) => {
    for (let begin = from; begin <= subject.length; begin += 1) {
      const captures: Capture[] = []
      const end = matchFrom({ items, subject, captures }, 0, begin)
      if (end >= 0)
        return captures.length === 0
          ? [subject.slice(begin, end)]
          : captures.map((each) => subject.slice(each.begin, each.end))
      if (isAnchored) return undefined
    }
    return undefined
  }
}

interface Match {
  readonly items: readonly Item[]
  readonly subject: string
  readonly captures: Capture[]
}

/** Where the items from `index` on end when they begin at `at`; negative when they do not match there. */
function matchFrom(match: Match, index: number, at: number): number {
  const { items, subject, captures } = match
  const item = items[index]
  if (item === undefined) return at
  if (item.is === 'end') return at === subject.length ? matchFrom(match, index + 1, at) : -1
  if (item.is === 'bytes') return matchBytes(match, index, at, item)
  if (item.is === 'open') {
    captures.push({ begin: at, end: OPEN })
    const end = matchFrom(match, index + 1, at)
    if (end < 0) captures.pop()
    return end
  }
  const open = captures.findLast((capture) => capture.end === OPEN)
  if (open === undefined) return -1
  open.end = at
  const end = matchFrom(match, index + 1, at)
  if (end < 0) open.end = OPEN
  return end
}

const OPEN = -1

function matchBytes(match: Match, index: number, at: number, item: Extract<Item, { is: 'bytes' }>): number {
  const { bytes, repeats } = item
  const isOne = (place: number): boolean => bytes[match.subject.charCodeAt(place)] === true
  if (repeats === '') return isOne(at) ? matchFrom(match, index + 1, at + 1) : -1
  if (repeats === '-') {
    for (let place = at; ; place += 1) {
      const end = matchFrom(match, index + 1, place)
      if (end >= 0 || !isOne(place)) return end
    }
  }
  let place = at
  while (isOne(place) && (repeats !== '?' || place === at)) place += 1
  const least = repeats === '+' ? at + 1 : at
  for (; place >= least; place -= 1) {
    const end = matchFrom(match, index + 1, place)
    if (end >= 0) return end
  }
  return -1
}

function itemsOf(pattern: string, whole: string): readonly Item[] {
  const items: Item[] = []
  let [at, open] = [0, 0]
  while (at < pattern.length) {
    const char = pattern[at] ?? ''
    if (char === '(' && pattern[at + 1] !== ')') {
      items.push({ is: 'open' })
      open += 1
      at += 1
    } else if (char === ')' && open > 0) {
      items.push({ is: 'close' })
      open -= 1
      at += 1
    } else if (char === '$' && at === pattern.length - 1) {
      items.push({ is: 'end' })
      at += 1
    } else {
      const [bytes, taken] = bytesAt(pattern, at)
      const repeats = repeatsIn(pattern[at + taken])
      items.push({ is: 'bytes', bytes, repeats })
      at += taken + repeats.length
    }
  }
  if (open > 0) throw new LuaNotCompiled(`the pattern “${whole}”`)
  return items
}

function repeatsIn(char: string | undefined): Repeats {
  return char === '*' || char === '+' || char === '-' || char === '?' ? char : ''
}

/** One character of a pattern, or one class of them, and how long it is written. */
function bytesAt(pattern: string, at: number): readonly [Bytes, number] {
  const char = pattern[at] ?? ''
  if (char === '.') return [bytesWith(() => true), 1]
  if (char === '%') return [classOf(pattern[at + 1] ?? ''), 2]
  if (char === '[') return setAt(pattern, at)
  if (char === '(' || char === ')') throw new LuaNotCompiled(`the pattern “${pattern}”`)
  return [only(char), 1]
}

/** A set from its `[` on. */
function setAt(pattern: string, from: number): readonly [Bytes, number] {
  const isWithout = pattern[from + 1] === '^'
  const begin = from + (isWithout ? 2 : 1)
  const parts: Bytes[] = []
  let at = begin
  while (at === begin || pattern[at] !== ']') {
    const char = pattern[at]
    if (char === undefined) throw new LuaNotCompiled(`the pattern “${pattern}”`)
    const last = pattern[at + 2]
    if (char === '%') {
      parts.push(classOf(pattern[at + 1] ?? ''))
      at += 2
    } else if (pattern[at + 1] === '-' && last !== undefined && last !== ']') {
      parts.push(bytesWith((byte) => byte >= char.charCodeAt(0) && byte <= last.charCodeAt(0)))
      at += 3
    } else {
      parts.push(only(char))
      at += 1
    }
  }
  return [bytesWith((byte) => parts.some((part) => part[byte] === true) !== isWithout), at + 1 - from]
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  a: /[A-Za-z]/,
  c: /[\x00-\x1f\x7f]/,
  d: /[0-9]/,
  l: /[a-z]/,
  p: /[!-/:-@[-`{-~]/,
  s: /[\t-\r ]/,
  u: /[A-Z]/,
  w: /[A-Za-z0-9]/,
  x: /[A-Fa-f0-9]/,
}

/** What stands behind a `%`: a class, all but a class, or the character itself. */
function classOf(letter: string): Bytes {
  const lower = letter.toLowerCase()
  const known = CLASSES[lower]
  if (known !== undefined)
    return bytesWith((byte) => known.test(String.fromCharCode(byte)) === (letter === lower))
  if (letter === '' || /[A-Za-z0-9]/.test(letter)) throw new LuaNotCompiled(`the class %${letter}`)
  return only(letter)
}

function only(char: string): Bytes {
  return bytesWith((byte) => byte === char.charCodeAt(0))
}

function bytesWith(isMeant: (byte: number) => boolean): Bytes {
  return Array.from({ length: 256 }, (_, byte) => isMeant(byte))
}
