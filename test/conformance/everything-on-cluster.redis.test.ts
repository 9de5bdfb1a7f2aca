import { clusterBackend } from './backend.js'
import { everythingConforms } from './everything.js'

everythingConforms(clusterBackend())
