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

/** Random bytes in store: asking for eight at a time costs ten times as much as the rest of an id. */
const pool = Buffer.alloc(4_096)
let poolAt = pool.length

function pooledHex(bytes: number): string {
  if (bytes > 64) return randomBytes(bytes).toString('hex')
  if (poolAt + bytes > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  poolAt += bytes
  return pool.toString('hex', poolAt - bytes, poolAt)
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
  return {
    next() {
      const nowMs = Math.floor(clock.nowMs())
      if (nowMs > lastMs) {
        lastMs = nowMs
        counter = 0
      } else if (counter < COUNTER_MAX) {
        counter += 1
      } else {
        lastMs += 1
        counter = 0
      }
      return layOut(lastMs, counter, random.hex(8))
    },
  }
}

function layOut(ms: number, counter: number, entropy: string): string {
  const time = ms.toString(16).padStart(12, '0')
  const variant = (8 + (Number.parseInt(entropy.slice(0, 1), 16) % 4)).toString(16)
  const sequence = counter.toString(16).padStart(3, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${sequence}-${variant}${entropy.slice(1, 4)}-${entropy.slice(4)}`
}
