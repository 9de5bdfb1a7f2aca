import { mockBackend } from './backend.js'
import { guardedConforms } from './guarded.js'

guardedConforms(mockBackend())
