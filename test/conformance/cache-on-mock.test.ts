import { mockBackend } from './backend.js'
import { cacheConforms } from './cache.js'

cacheConforms(mockBackend())
