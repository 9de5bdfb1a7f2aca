import { redisBackend } from '../conformance/backend.js'
import { probeTwinConforms } from './probe-twins.js'
import { twinsConform } from './twins.js'

const backend = redisBackend()
twinsConform(backend)
probeTwinConforms(backend)
