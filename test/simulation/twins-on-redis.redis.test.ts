import { redisBackend } from '../conformance/backend.js'
import { twinsConform } from './twins.js'

twinsConform(redisBackend())
