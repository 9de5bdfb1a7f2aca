import { mockBackend } from './backend.js'
import { consumersConform } from './events-consumed.js'

consumersConform(mockBackend())
