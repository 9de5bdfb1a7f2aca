/**
 * A cached value as it stands in Redis: `c1|token|loadMs|kind|checksum|generations|payload`.
 *
 * The token names the load that stored it, for ever. The checksum covers everything else and the key, so that an
 * entry which was cut, flipped or copied to another key is a miss and never another value.
 */

import { crc32 } from 'node:zlib'

/** What a load left behind. */
export interface StoredEntry {
  /** Names the load: process id and a counter of the process. */
  readonly token: string
  /** How long the load took, in ms; what early refresh goes by. */
  readonly loadMs: number
  /** What the codec wrote; undefined: the loader found nothing. */
  readonly payload: string | undefined
  /** The generations of the company and the tags under which it was loaded, joined; `-` for none. */
  readonly generations: string
}

/** Random bytes of a generation: 64 bits, so that none is used twice. */
export const GENERATION_RANDOM_BYTES = 8

const GENERATION = /^[\da-f]{16}$/
const HEAD = /^c1\|([^|]+)\|(\d{1,12})\|([VN])\|([\da-f]{8})\|(-|[\da-f,]+)\|/

/** The text that Redis keeps under `key`. */
export function formatEntry(key: string, entry: StoredEntry): string {
  const { token, loadMs, payload = '', generations } = entry
  const kind = entry.payload === undefined ? 'N' : 'V'
  const checksum = checksumOf(key, `${token}|${loadMs}|${kind}|${generations}`, payload)
  return `c1|${token}|${loadMs}|${kind}|${checksum}|${generations}|${payload}`
}

/** The entry, or undefined for whatever `formatEntry` cannot have written under this key. */
export function parseEntry(key: string, text: string): StoredEntry | undefined {
  const [head, token = '', loadMs = '', kind = '', checksum = '', generations = ''] = HEAD.exec(text) ?? []
  if (head === undefined) return undefined
  const payload = text.slice(head.length)
  if (kind === 'N' && payload !== '') return undefined
  if (checksumOf(key, `${token}|${loadMs}|${kind}|${generations}`, payload) !== checksum) return undefined
  return { token, loadMs: Number(loadMs), payload: kind === 'N' ? undefined : payload, generations }
}

/** The token that stands in a text, whatever else is wrong with it; empty when there is none. */
export function tokenIn(text: string): string {
  return HEAD.exec(text)?.[1] ?? ''
}

/** Generations as an entry carries them; undefined when one of them is missing, so that no entry has them. */
export function joinGenerations(found: readonly (string | undefined)[]): string | undefined {
  if (found.length === 0) return '-'
  return found.every((text) => text !== undefined && GENERATION.test(text)) ? found.join(',') : undefined
}

function checksumOf(key: string, head: string, payload: string): string {
  return crc32(payload, crc32(`${key}|${head}|`))
    .toString(16)
    .padStart(8, '0')
}
