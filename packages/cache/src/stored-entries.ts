/** The first look of a read: entries and their generations in one MGET, and their ages where they matter. */

import type { Key } from '@kerp/keys'
import { askRedis, readMany } from '@kerp/redis'
import type { Wanted } from './load-outcome.js'
import { readAges } from './read-ages.lua.js'
import type { ReadThroughParts } from './read-through-options.js'
import { joinGenerations, parseEntry, type StoredEntry, tokenIn } from './stored-entry.js'

/** What the first look found for one value. */
export interface Found {
  /** A valid entry. */
  readonly entry: StoredEntry | undefined
  /** How much longer Redis keeps it, in ms; undefined when it was not asked, or is not known. */
  readonly leftMs: number | undefined
  /** The generations that are valid now, joined; undefined when one is missing, or Redis did not answer. */
  readonly generations: string | undefined
  /** The token of a text that is no entry, so that it is not taken for one; empty when there is none. */
  readonly refused: string
  /** False when Redis did not answer, and is not asked again for this value. */
  readonly isAnswered: boolean
}

const NOTHING: Found = {
  entry: undefined,
  leftMs: undefined,
  generations: undefined,
  refused: '',
  isAnswered: true,
}

/** What is left of a look when Redis may hold what an invalidation of this process voids. */
export function unbelieved({ isAnswered }: Found): Found {
  return { ...NOTHING, isAnswered }
}

/** Looks for values of one scope, whose keys lie in one slot. Never throws because of Redis. */
export async function findEntries<R>(
  parts: ReadThroughParts,
  type: string,
  wanted: readonly Wanted<R>[],
  withAges: boolean,
): Promise<readonly Found[]> {
  const { redis, observer, redisDeadlineMs: deadlineMs } = parts
  const generationKeys = [...new Set(wanted.flatMap((one) => one.generationKeys))]
  const keys = wanted.map(({ key }) => key)
  const reply = await askRedis(parts, async () => {
    // Both are on their way before either is answered: one round trip.
    const ages = withAges
      ? readAges.run(redis, {}, {}, { moreKeys: keys, deadlineMs, observer, effect: 'none' })
      : undefined
    ages?.catch(() => undefined)
    const texts = await readMany(redis, [...generationKeys, ...keys], { deadlineMs, observer })
    return { texts: texts.map((bytes) => bytes?.toString()), ages: await ages }
  })
  if (reply === undefined) return wanted.map(() => ({ ...NOTHING, isAnswered: false }))
  const generationOf = new Map<Key, string | undefined>(
    generationKeys.map((key, index) => [key, reply.texts[index]]),
  )
  return wanted.map((one, index) => {
    const text = reply.texts[generationKeys.length + index]
    const generations = joinGenerations(one.generationKeys.map((key) => generationOf.get(key)))
    if (text === undefined) return { ...NOTHING, generations }
    const entry = parseEntry(one.key, text)
    if (entry === undefined) {
      observer.cacheRefusal?.({ type, reason: 'damaged' })
      return { ...NOTHING, generations, refused: tokenIn(text) }
    }
    if (entry.generations !== generations) return { ...NOTHING, generations }
    return { ...NOTHING, entry, leftMs: reply.ages?.[index], generations }
  })
}
