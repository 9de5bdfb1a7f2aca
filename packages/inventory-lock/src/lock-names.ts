/** Names: the resource that a caller locks, and the keys that belong to it. */

import { objectInput } from '@kerp/core'
import { canonicalPart, type Keys, type LockKeyParts, parseKey } from '@kerp/keys'

/** What a lock protects: `type` names the kind of thing, `id` the thing. */
export type LockResource = LockKeyParts

/** The keys of one lock; all lie in the cluster slot of its company. */
export interface LockNames {
  readonly resource: LockResource
  /** `lock:{C}:TYPE:ID`: exists while the lock is held. */
  readonly lock: string
  /** `lock:{C}:TYPE:ID:queue`: who waits. */
  readonly queue: string
  /** `lock:{C}:fence`: the last fence of the company. */
  readonly fence: string
  /** `lock:{C}:held`: locks that are held and processes that wait. */
  readonly held: string
}

/**
 * The keys of a resource. Parts of a key hold no colon, so the two- and four-word names beside the three words
 * of a lock can be no other lock's.
 *
 * @throws {InvalidKeyError} `INVALID_KEY` for an id that the key builder refuses.
 */
export function lockNames(keys: Keys, resource: LockResource): LockNames {
  objectInput('resource', resource)
  return new NamesBesideLock(keys.lock(resource), resource)
}

/** The keys that belong to a lock's key; undefined for a text that is none. */
export function namesOfLock(lock: string): LockNames | undefined {
  try {
    const parsed = parseKey(lock)
    return parsed.family === 'lock' ? new NamesBesideLock(lock, parsed) : undefined
  } catch {
    return undefined
  }
}

/** Makes each name when it is asked for: a lock that nobody waits for needs few of them. */
class NamesBesideLock implements LockNames {
  readonly lock: string
  readonly resource: LockResource
  readonly fence: string

  constructor(lock: string, { companyId, type, id }: LockResource) {
    this.lock = lock
    this.resource = { companyId, type: canonicalPart(type, 'type'), id: canonicalPart(id, 'id') }
    this.fence = `${this.#company}:fence`
  }

  get queue(): string {
    return `${this.lock}:queue`
  }

  get held(): string {
    return `${this.#company}:held`
  }

  get #company(): string {
    return this.lock.slice(0, this.lock.indexOf('}') + 1)
  }
}

/** The key of the company's list of held locks. */
export function heldName(keys: Keys, companyId: string): string {
  return lockNames(keys, { companyId, type: 'any', id: 'any' }).held
}

/** The channel of one process, outside all companies: `lock-wake:PROCESS` behind the namespace. */
export function wakeChannelName(keys: Keys, processId: string): string {
  const sample = keys.lock({ companyId: 'any', type: 'any', id: 'any' })
  return `${sample.slice(0, sample.indexOf('lock:{'))}lock-wake:${processId}`
}

/** The lock in messages: `TYPE:ID` as its caller named it, without its company. */
export function titleOf({ type, id }: LockResource): string {
  return `${type}:${id}`
}

/** Whether two resources are one. */
export function isSameResource(one: LockResource, other: LockResource): boolean {
  return one.companyId === other.companyId && one.type === other.type && one.id === other.id
}
