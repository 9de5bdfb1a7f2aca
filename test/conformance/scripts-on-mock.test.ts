import { mockBackend } from './backend.js'
import { scriptsConform } from './scripts.js'

scriptsConform(mockBackend())
