import { redisBackend } from './backend.js'
import { guardedConforms } from './guarded.js'

guardedConforms(redisBackend())
