import { mockBackend } from './backend.js'
import { locksConform } from './locks.js'

locksConform(mockBackend())
