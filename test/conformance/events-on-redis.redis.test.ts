import { redisBackend } from './backend.js'
import { allEventsConform } from './events-all.js'
import { eventsConform } from './events-publish.js'
import { relayedEventsConform } from './events-relayed.js'

const backend = redisBackend()

relayedEventsConform(backend)
eventsConform(backend)
allEventsConform(backend)
