import { redisBackend } from './backend.js'
import { scriptsConform } from './scripts.js'

scriptsConform(redisBackend())
