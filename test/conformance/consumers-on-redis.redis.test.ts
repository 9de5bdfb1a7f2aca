import { redisBackend } from './backend.js'
import { consumersConform } from './events-consumed.js'
import { followedCompaniesConform } from './events-followed.js'

consumersConform(redisBackend())
followedCompaniesConform(redisBackend())
