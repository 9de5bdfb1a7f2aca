/** The in-process tier's conformance suite on the mock. */

import { mockRedis } from '@kerp/redis/testing'
import { localTierConformance } from './local-tier.js'
import { localTrustConformance } from './local-trust.js'
import { ownWritesConformance } from './own-writes.js'

const redis = mockRedis()
localTierConformance(() => redis)
localTrustConformance(() => redis)
ownWritesConformance(() => redis)
