/** Ids and chance as ports: the only place of the library that asks the machine for randomness. */

import { randomBytes, randomFillSync } from 'node:crypto'
import { type Clock, systemClock } from './clock.js'

/** Where chance comes from. Tests pass `seededRandom(seed)` from `@kerp/core/testing`. */
export interface RandomSource {
  /** A number from 0 up to, but not including, 1: for jitter, never for identity. */
  fraction(): number
  /** `bytes` random bytes as lower-case hexadecimal text: for generations, tokens and ids. */
  hex(bytes: number): string
}

/** Random bytes in store, as text: asking for eight at a time costs ten times as much as the rest of an id. */
const pool = Buffer.alloc(4_096)
let poolText = ''
let poolAt = 0

function pooledHex(bytes: number): string {
  if (bytes > 64) return randomBytes(bytes).toString('hex')
  const length = 2 * bytes
  if (poolAt + length > poolText.length) {
    poolText = randomFillSync(pool).toString('hex')
    poolAt = 0
  }
  poolAt += length
  return poolText.slice(poolAt - length, poolAt)
}

/** The machine's own randomness; `hex` is cryptographically strong. */
export const systemRandom: RandomSource = {
  fraction: () => Math.random(),
  hex: pooledHex,
}

/** Where ids come from. */
export interface IdSource {
  /** An id that no other call returned; later ids sort after earlier ones of the same source. */
  next(): string
}

const COUNTER_MAX = 0xfff

/**
 * Time-ordered ids in the layout of UUID version 7 (RFC 9562): 48 bits of milliseconds, a 12-bit counter
 * within the millisecond, 62 random bits. A clock that goes back, and a counter that is used up, continue from
 * the last millisecond given out, so that the order of one source never breaks.
 */
export function timeOrderedIds(clock: Clock = systemClock, random: RandomSource = systemRandom): IdSource {
  let lastMs = 0
  let counter = 0
  let head = headOf(0)
  return {
    next() {
      const nowMs = Math.floor(clock.nowMs())
      const isLater = nowMs > lastMs
      if (isLater || counter === COUNTER_MAX) {
        lastMs = isLater ? nowMs : lastMs + 1
        counter = 0
        head = headOf(lastMs)
      } else {
        counter += 1
      }
      return layOut(head, counter, random.hex(8))
    },
  }
}

/** What all ids of a millisecond begin with. */
function headOf(ms: number): string {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7`
}

/** Two bits say that the layout is that of RFC 9562. */
const VARIANTS = '89ab'

function layOut(head: string, counter: number, entropy: string): string {
  const sequence = (counter + 0x1000).toString(16)
  const variant = VARIANTS[Number.parseInt(entropy.slice(0, 1), 16) % 4] ?? ''
  return `${head}${sequence.slice(1)}-${variant}${entropy.slice(1, 4)}-${entropy.slice(4)}`
}

/**
 * One name made of several: `%` and the separator are percent-encoded in each, so that different lists are different names. A list
 * without them is joined as it is.
 *
 * @example
 * joinNames(['sales', 'eu/2026-06']) // 'sales/eu%2F2026-06'
 */
export function joinNames(names: readonly string[], separator: '/' | ' ' = '/'): string {
  const encoded = `%${separator.charCodeAt(0).toString(16).toUpperCase()}`
  return names.map((name) => name.replaceAll('%', '%25').replaceAll(separator, encoded)).join(separator)
}
