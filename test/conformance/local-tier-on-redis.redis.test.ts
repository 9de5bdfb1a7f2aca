/** The in-process tier's conformance suite on a real server. */

import { localTierConformance } from './local-tier.js'
import { localTrustConformance } from './local-trust.js'
import { ownWritesConformance } from './own-writes.js'
import { redisBackend } from './backend.js'

const backend = redisBackend()
localTierConformance(() => backend.client())
localTrustConformance(() => backend.client())
ownWritesConformance(() => backend.client())
