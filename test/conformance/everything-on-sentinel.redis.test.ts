import { sentinelBackend } from './backend.js'
import { everythingConforms } from './everything.js'
import { locksConform } from './locks.js'
import { registersConformance } from './registers.js'

const backend = sentinelBackend()

// The client is the one of a single server, found in another way: a short run has the two suites with most scripts.
if (process.env['KERP_TEST_FULL'] === '1') everythingConforms(backend)
else {
  registersConformance(() => backend.client())
  locksConform(backend)
}
