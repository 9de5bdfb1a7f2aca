/** Keeps a lease while its load runs, so that a slow load is still one load, and a dead process blocks nobody for long. */

import type { Timer } from '@kerp/core'
import type { Key } from '@kerp/keys'
import { askRedis } from '@kerp/redis'
import { keepLease } from './keep-lease.lua.js'
import type { ReadThroughParts } from './read-through-options.js'

/** The right to load a value, as this process has it. */
export interface Lease {
  readonly key: Key
  readonly token: string
  /** Of the company and the tags when it was taken. */
  readonly generations: string
}

/** Renews the lease three times per `leaseMs` until the returned function is called or the lease is lost. */
export function keepAlive(parts: ReadThroughParts, lease: Lease): () => void {
  let isDone = false
  let timer: Timer | undefined
  const renew = async (): Promise<void> => {
    const held = await replaceLease(parts, lease, leaseText(lease), parts.leaseMs)
    if (held !== false && !isDone) arm()
  }
  const arm = (): void => {
    timer = parts.clock.setTimer(parts.leaseMs / 3, () => void renew())
  }
  arm()
  return () => {
    isDone = true
    timer?.cancel()
  }
}

/** Keeps everybody from loading, for `forMs`, what this load failed to. */
export function markFailed(
  parts: ReadThroughParts,
  lease: Lease,
  code: string,
  forMs: number,
): Promise<unknown> {
  return replaceLease(parts, lease, `F|${lease.generations}|${code}`, forMs)
}

/** Gives a lease back. */
export function giveBack(parts: ReadThroughParts, lease: Lease): Promise<unknown> {
  return replaceLease(parts, lease, '', 0)
}

function leaseText({ generations, token }: Lease): string {
  return `L|${generations}|${token}`
}

/** Changes a lease that is still held; false when it is not, undefined when Redis does not say. Never throws. */
function replaceLease(
  parts: ReadThroughParts,
  lease: Lease,
  text: string,
  forMs: number,
): Promise<boolean | undefined> {
  const { redis, observer, redisDeadlineMs } = parts
  const call = { deadlineMs: redisDeadlineMs, observer, effect: 'idempotent' } as const
  const args = { held: leaseText(lease), text, forMs: String(Math.ceil(forMs)) }
  return askRedis(parts, () => keepLease.run(redis, { lease: lease.key }, args, call))
}
