/** What registers must do on every Redis: the same tests run on the mock and on a real server. */

import type { RedisClient } from '@kerp/redis'
import { applyConformance } from './registers-apply.js'
import { backoffConformance } from './registers-backoff.js'
import { fillConformance } from './registers-fill.js'
import { foreignConformance } from './registers-foreign.js'
import { readConformance } from './registers-read.js'
import { relayConformance } from './registers-relay.js'
import { relayBacklogConformance } from './registers-relay-backlog.js'
import { renewConformance } from './registers-renew.js'

/** Declares the whole suite; `redis` is open while the tests run. */
export function registersConformance(redis: () => RedisClient): void {
  readConformance(redis)
  fillConformance(redis)
  backoffConformance(redis)
  applyConformance(redis)
  relayConformance(redis)
  foreignConformance(redis)
  relayBacklogConformance(redis)
  renewConformance(redis)
}
