import { mockBackend } from './backend.js'
import { relayedEventsConform } from './events-relayed.js'

relayedEventsConform(mockBackend())
