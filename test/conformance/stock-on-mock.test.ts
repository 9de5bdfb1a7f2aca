import { mockBackend } from './backend.js'
import { stockConforms } from './stock.js'

stockConforms(mockBackend())
