import { redisBackend } from './backend.js'
import { stockConforms } from './stock.js'

stockConforms(redisBackend())
