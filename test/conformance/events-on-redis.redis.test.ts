import { redisBackend } from './backend.js'
import { relayedEventsConform } from './events-relayed.js'

relayedEventsConform(redisBackend())
