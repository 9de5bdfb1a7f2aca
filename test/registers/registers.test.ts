/** The registers' conformance suite on the mock. */

import { mockRedis } from '@kerp/redis/testing'
import { registersConformance } from '../conformance/registers.js'

const redis = mockRedis()
registersConformance(() => redis)
