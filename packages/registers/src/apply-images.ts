/** The fast path: images of one committed transaction into Redis, company by company. */

import { InvalidInputError, type RegisterImage, type RegisterImages } from '@kerp/core'
import { askRedis } from '@kerp/redis'
import { applyRegisters, type ApplyReply } from './apply-registers.lua.js'
import { GENERATION_RANDOM_BYTES, imageText, isFork } from './register.js'
import type { RegistersParts } from './registers-options.js'

/** What became of the images: the counts add up to the number of different rows. */
export interface ApplyResult {
  /** Replaced an older register. */
  readonly applied: number
  /** The register was as new, or newer. */
  readonly skipped: number
  /** A load is on its way; the image waits with its lease. */
  readonly pending: number
  /** There is no valid register to replace, or no watermark. */
  readonly absent: number
  /** Redis holds another database epoch; the relay decides which one lives. */
  readonly refused: number
  /** Redis did not answer; the relay brings these. */
  readonly unreachable: number
  /** The same version was there with other bytes: the histories forked, and all registers are void. */
  readonly forked: number
}

const NOTHING: ApplyResult = {
  applied: 0,
  skipped: 0,
  pending: 0,
  absent: 0,
  refused: 0,
  unreachable: 0,
  forked: 0,
}

/** Rows of one script call; a transaction of more rows is handed over in several calls. */
const ROWS_PER_CALL = 1_000

interface Entry {
  readonly key: string
  readonly family: string
  readonly image: string
}

/**
 * Applies images and reports them to the observer. Settles within the deadline of `apply`; never throws
 * because of Redis.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for images that no transaction can have committed together.
 */
export async function applyImages(parts: RegistersParts, committed: RegisterImages): Promise<ApplyResult> {
  checkCommitted(committed)
  const calls: Promise<ApplyResult>[] = []
  const companies = newestByCompany(parts, committed.images)
  for (const [companyId, entries] of companies) {
    noteOwn(parts, companyId, committed.epoch, entries)
    for (let from = 0; from < entries.length; from += ROWS_PER_CALL) {
      calls.push(applyEntries(parts, companyId, entries.slice(from, from + ROWS_PER_CALL), committed.epoch))
    }
  }
  if (calls.length > 0) parts.observer.step?.({ name: 'apply.sending' })
  const results = await Promise.all(calls)
  if (calls.length > 0) parts.observer.step?.({ name: 'apply.applied' })
  const total = results.reduce(add, NOTHING)
  for (const result of ['applied', 'skipped', 'pending', 'absent', 'refused'] as const) {
    if (total[result] > 0) parts.observer.registerApply?.({ result, count: total[result] })
  }
  return total
}

/** Callers may come from JavaScript: a voucher that was not posted, or a promise of one, has no images. */
function checkCommitted(committed: unknown): void {
  const { epoch, images } = fieldsOf(committed)
  if (typeof epoch !== 'string' || !Array.isArray(images)) {
    const expected = 'what a posting or a movement has answered: an object with epoch and images'
    throw new InvalidInputError('committed', expected, committed)
  }
  for (const [index, image] of (images as readonly unknown[]).entries()) {
    const { ref, fields } = fieldsOf(image)
    if (!Array.isArray(fields) || !Array.isArray(fieldsOf(ref)['parts'])) {
      throw new InvalidInputError(`images[${index}]`, 'an image with ref, version and fields', image)
    }
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** From here on no reader of this process is answered anything older, whatever becomes of the call to Redis. */
function noteOwn(
  { own, tier }: RegistersParts,
  companyId: string,
  epoch: string,
  entries: readonly Entry[],
): void {
  const forgottenMs = own.add(epoch, entries)
  if (forgottenMs !== undefined) tier?.demandSince(forgottenMs)
  tier?.commit(companyId, epoch, entries)
}

function newestByCompany(
  parts: RegistersParts,
  images: readonly RegisterImage[],
): ReadonlyMap<string, readonly Entry[]> {
  const companies = new Map<string, Map<string, Entry>>()
  for (const image of images) {
    const { companyId, family } = image.ref
    const entries = companies.get(companyId) ?? new Map<string, Entry>()
    companies.set(companyId, entries)
    const entry: Entry = { key: parts.keys.register(image.ref), family, image: imageText(image) }
    const before = entries.get(entry.key)
    if (before !== undefined && isFork(before.image, entry.image)) {
      throw new InvalidInputError('images', 'of one state for each version of a row', entry.image)
    }
    if (before === undefined || before.image < entry.image) entries.set(entry.key, entry)
  }
  return new Map([...companies].map(([companyId, entries]) => [companyId, [...entries.values()]]))
}

async function applyEntries(
  parts: RegistersParts,
  companyId: string,
  entries: readonly Entry[],
  epoch: string,
): Promise<ApplyResult> {
  const reply = await askRedis(parts, () => sendEntries(parts, companyId, entries, epoch))
  if (reply === undefined) return { ...NOTHING, unreachable: entries.length }
  if (reply.status === 'applied') return { ...NOTHING, ...reply.counts }
  if (reply.status === 'forked') {
    parts.observer.registerFork?.({ count: 1 })
    parts.observer.generationChange?.({ reason: 'fork' })
  }
  return { ...NOTHING, [reply.status]: entries.length }
}

function sendEntries(
  parts: RegistersParts,
  companyId: string,
  entries: readonly Entry[],
  epoch: string,
): Promise<ApplyReply> {
  const { redis, keys, random, ttl, observer, applyDeadlineMs } = parts
  return applyRegisters.run(
    redis,
    { watermark: keys.watermark(companyId) },
    { epoch, spare: random.hex(GENERATION_RANDOM_BYTES), channel: keys.registersChannel(companyId) },
    {
      moreKeys: entries.map(({ key }) => key),
      moreArgs: entries.flatMap(({ family, image }) => [image, String(ttl.jitteredTtlMs(family, random))]),
      deadlineMs: applyDeadlineMs,
      observer,
      effect: 'idempotent',
    },
  )
}

function add(left: ApplyResult, right: ApplyResult): ApplyResult {
  const sum = (name: keyof ApplyResult): number => left[name] + right[name]
  return {
    applied: sum('applied'),
    skipped: sum('skipped'),
    pending: sum('pending'),
    absent: sum('absent'),
    refused: sum('refused'),
    unreachable: sum('unreachable'),
    forked: sum('forked'),
  }
}
