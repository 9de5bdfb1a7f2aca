import { redisBackend } from './backend.js'
import { locksConform } from './locks.js'

locksConform(redisBackend())
