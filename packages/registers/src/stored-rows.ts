/**
 * The hit path: what Redis holds for several rows, in one round trip of plain MGETs.
 *
 * Each MGET has the watermark in front, so that every register is judged by a watermark of the same moment.
 */

import { InvalidInputError, type RegisterRef } from '@kerp/core'
import { readMany, RedisRefusedError } from '@kerp/redis'
import { failureInBytes } from './load-failure.js'
import type { AdmissionTicket } from './local-tier.js'
import {
  fieldsTextInBytes,
  parseWatermark,
  registerPrefix,
  versionInBytes,
  type Watermark,
} from './register.js'
import { type RegisterReading, StoredReading } from './register-reading.js'
import { canonicalRef } from './register-key.js'
import type { RegistersParts } from './registers-options.js'

/**
 * Registers of one MGET. Several small ones beat a large one: Redis answers the first while the next is still
 * written, and the client reads the first answer while Redis works on the next.
 */
const KEYS_PER_MGET = 250

/** The rows of one read: what was asked for, and by the same index its key and its answer, if there is one. */
export interface Rows {
  readonly companyId: string
  /** Under the spelling of the database, once their keys are there. */
  readonly refs: RegisterRef[]
  readonly keys: string[]
  readonly readings: (RegisterReading | undefined)[]
  /** Of the read that they belong to; undefined without an in-process tier. */
  readonly ticket: AdmissionTicket | undefined
  /** Rows that Redis holds, and that are not provably young enough to be answered. */
  readonly untrusted: Set<number>
  /** Rows whose load failed a moment ago, in whatever process, with the code of what was thrown. */
  readonly failed: Map<number, string>
  /** Rows of which Redis holds nothing at all, where that is asked for. */
  readonly absent?: Set<number> | undefined
}

/** Rows without answers and keys yet; `readStored` fills both in. */
export function newRows(
  companyId: string,
  refs: readonly RegisterRef[],
  ticket: AdmissionTicket | undefined,
): Rows {
  return {
    companyId,
    refs: [...refs],
    ticket,
    untrusted: new Set(),
    failed: new Map(),
    keys: new Array<string>(refs.length),
    readings: new Array<RegisterReading | undefined>(refs.length),
  }
}

/**
 * Fills in the keys of all rows, and the answers of those whose registers are present and valid.
 *
 * Says whether Redis could be asked: false when it did not answer, refused, or holds no watermark of this database, so
 * that nothing may be stored either.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for a ref that names no row of the company.
 */
export async function readStored(parts: RegistersParts, rows: Rows): Promise<boolean> {
  const { length } = rows.refs
  const admitted = parts.circuit.admits()
  const chunks = Math.ceil(length / KEYS_PER_MGET)
  const reads: Promise<ChunkEnd>[] = []
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const from = Math.floor((chunk * length) / chunks)
    reads.push(readChunk(parts, rows, from, Math.floor(((chunk + 1) * length) / chunks), admitted))
  }
  let ends: readonly ChunkEnd[] = []
  try {
    ends = await Promise.all(reads)
  } finally {
    if (admitted) tellCircuit(parts, ends)
  }
  return admitted && ends.every((end) => end === 'read')
}

/** What Redis holds, for comparing and not for answering: it may be older than an answer may be. */
export async function readCached(
  parts: RegistersParts,
  companyId: string,
  refs: readonly RegisterRef[],
): Promise<readonly (RegisterReading | undefined)[]> {
  const held = refs.filter((ref) => hasKey(parts, ref))
  const rows = newRows(companyId, held, undefined)
  await readStored(parts, rows)
  const readings = new Map(held.map((ref, index) => [ref, rows.readings[index]]))
  return refs.map((ref) => readings.get(ref))
}

/** Whether a row can have a register: a host's own tables may hold names that no key has room for. */
export function hasKey({ keys }: Pick<RegistersParts, 'keys'>, ref: RegisterRef): boolean {
  try {
    return keys.register(ref) !== ''
  } catch {
    return false
  }
}

function tellCircuit(parts: RegistersParts, ends: readonly ChunkEnd[]): void {
  if (ends.length === 0) parts.circuit.abandoned()
  else if (ends.includes('silent')) parts.circuit.silent()
  else parts.circuit.answered()
}

type ChunkEnd = 'read' | 'unusable' | 'silent'

async function readChunk(
  parts: RegistersParts,
  rows: Rows,
  from: number,
  to: number,
  admitted: boolean,
): Promise<ChunkEnd> {
  const wanted = keysOf(parts, rows, from, to)
  if (!admitted) return 'silent'
  const values = await valuesOf(parts, wanted)
  if (typeof values === 'string') return values
  const watermark = parseWatermark(values[0]?.toString('latin1'))
  if (watermark === undefined || !(await isOwn(parts, rows, watermark))) return 'unusable'
  takeValues(parts, rows, from, { values, watermark })
  return 'read'
}

/** Whether a watermark is of the database that this process reads. */
export async function isOwn(
  { ownEpoch }: RegistersParts,
  rows: Pick<Rows, 'companyId' | 'refs'>,
  watermark: Watermark,
): Promise<boolean> {
  if (ownEpoch.isKnown(watermark.epoch)) return true
  const [ref] = rows.refs
  return ref !== undefined && ownEpoch.isOwn(rows.companyId, ref, watermark.epoch)
}

/** Judges the values of rows from `from` on by the watermark in front of them. */
function takeValues(
  parts: RegistersParts,
  rows: Rows,
  from: number,
  { values, watermark }: { readonly values: readonly (Buffer | null)[]; readonly watermark: Watermark },
): void {
  const prefix = registerPrefix(watermark.generation)
  const isTrusted = rows.ticket === undefined || parts.tier?.gate.vouchesFor(watermark) === true
  for (let at = 1; at < values.length; at += 1) {
    const index = from + at - 1
    const bytes = values[at]
    const ref = rows.refs[index]
    if (bytes === null) rows.absent?.add(index)
    if (bytes === undefined || bytes === null || ref === undefined) continue
    const version = versionInBytes(bytes, prefix)
    if (version < 0) {
      const failure = failureInBytes(bytes, watermark.generation)
      if (failure !== undefined) rows.failed.set(index, failure)
      continue
    }
    if (isTrusted) rows.readings[index] = new StoredReading(ref, version, bytes, watermark)
    else rows.untrusted.add(index)
    admitBytes(parts, rows.ticket, rows.keys[index] ?? '', version, bytes, watermark)
  }
}

/** Offers a register, as it came from Redis, to the tier of this process. */
export function admitBytes(
  parts: RegistersParts,
  ticket: AdmissionTicket | undefined,
  key: string,
  version: number,
  bytes: Buffer,
  watermark: Watermark,
): void {
  if (ticket === undefined) return
  parts.tier?.admit(ticket, key, { version, text: fieldsTextInBytes(bytes) }, watermark)
}

function keysOf(parts: RegistersParts, rows: Rows, from: number, to: number): string[] {
  const wanted: string[] = [parts.keys.watermark(rows.companyId)]
  for (let index = from; index < to; index += 1) {
    const ref = rows.refs[index]
    const key = keyOf(parts, rows.companyId, ref, index)
    rows.keys[index] = key
    if (ref !== undefined) rows.refs[index] = canonicalRef(ref, key)
    wanted.push(key)
  }
  return wanted
}

/** The key of the row at `index` of a read. @throws {InvalidInputError} `INVALID_INPUT` for a row of another company. */
export function keyOf(
  { keys }: Pick<RegistersParts, 'keys'>,
  companyId: string,
  ref: RegisterRef | undefined,
  index: number,
): string {
  if (ref?.companyId === companyId) return keys.register(ref)
  throw new InvalidInputError(`refs[${index}].companyId`, 'the company of the read', ref?.companyId)
}

async function valuesOf(
  parts: RegistersParts,
  keys: readonly string[],
): Promise<readonly (Buffer | null)[] | 'unusable' | 'silent'> {
  try {
    return await readMany(parts.redis, keys, { deadlineMs: parts.redisDeadlineMs, observer: parts.observer })
  } catch (error) {
    return error instanceof RedisRefusedError ? 'unusable' : 'silent'
  }
}
