import { redisBackend } from './backend.js'
import { cacheConforms } from './cache.js'

cacheConforms(redisBackend())
