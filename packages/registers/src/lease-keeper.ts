/** Keeps the leases of one load while it runs. */

import type { Timer } from '@kerp/core'
import { askRedis } from '@kerp/redis'
import { keepLeases } from './keep-leases.lua.js'
import type { RegistersParts } from './registers-options.js'

/** Renewals per `leaseMs`: two may be lost. */
const RENEWALS = 3

/** Renews the leases until the returned function is called, or none of them is left. Never throws. */
export function keepAlive(
  parts: RegistersParts,
  companyId: string,
  keys: readonly string[],
  token: string,
): () => void {
  const { clock, leaseMs } = parts
  let isDone = false
  let timer: Timer | undefined
  const renew = async (): Promise<void> => {
    const kept = await askRedis(parts, () => keep(parts, companyId, keys, token))
    if (kept !== 0 && !isDone) arm()
  }
  const arm = (): void => {
    timer = clock.setTimer(Number(leaseMs) / RENEWALS, () => void renew())
  }
  arm()
  return () => {
    isDone = true
    timer?.cancel()
  }
}

function keep(
  { redis, keys, leaseMs, redisDeadlineMs: deadlineMs, observer }: RegistersParts,
  companyId: string,
  moreKeys: readonly string[],
  token: string,
): Promise<number> {
  return keepLeases.run(
    redis,
    { watermark: keys.watermark(companyId) },
    { token, leaseMs },
    { moreKeys, deadlineMs, observer, effect: 'idempotent' },
  )
}
