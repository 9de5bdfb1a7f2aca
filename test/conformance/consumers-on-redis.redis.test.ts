import { redisBackend } from './backend.js'
import { consumersConform } from './events-consumed.js'

consumersConform(redisBackend())
