import { tlsBackend } from './backend.js'
import { eventsConform } from './events-publish.js'
import { everythingConforms } from './everything.js'
import { localTierConformance } from './local-tier.js'
import { locksConform } from './locks.js'

const backend = tlsBackend()

// The client is that of a single server behind another socket: a short run has balances, locks and events.
if (process.env['KERP_TEST_FULL'] === '1') everythingConforms(backend)
else {
  localTierConformance(() => backend.client())
  locksConform(backend)
  eventsConform(backend)
}
