import { mockBackend } from '../conformance/backend.js'
import { probeTwinConforms } from './probe-twins.js'
import { twinsConform } from './twins.js'

const backend = mockBackend()
twinsConform(backend)
probeTwinConforms(backend)
