import { mockBackend } from '../conformance/backend.js'
import { twinsConform } from './twins.js'

twinsConform(mockBackend())
