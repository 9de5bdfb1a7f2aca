/** Every conformance suite, for a topology: what holds on one server holds there. */

import type { Backend } from './backend.js'
import { cacheConforms } from './cache.js'
import { allEventsConform } from './events-all.js'
import { consumersConform } from './events-consumed.js'
import { eventsConform } from './events-publish.js'
import { relayedEventsConform } from './events-relayed.js'
import { localTierConformance } from './local-tier.js'
import { localTrustConformance } from './local-trust.js'
import { locksConform } from './locks.js'
import { registersConformance } from './registers.js'
import { scriptsConform } from './scripts.js'
import { stockConforms } from './stock.js'

/** Declares all suites against one kind of Redis. */
export function everythingConforms(backend: Backend): void {
  partsConform(backend)
  scriptsConform(backend)
}

/** Declares the suites of all parts, whatever the client makes of an integer; those of bare scripts look at its type. */
export function partsConform(backend: Backend): void {
  registersConformance(() => backend.client())
  localTierConformance(() => backend.client())
  localTrustConformance(() => backend.client())
  locksConform(backend)
  stockConforms(backend)
  cacheConforms(backend)
  eventsConform(backend)
  relayedEventsConform(backend)
  allEventsConform(backend)
  consumersConform(backend)
}
