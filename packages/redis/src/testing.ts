/** Test doubles and private servers, for this project's tests and its users'. */

export { mockRedis } from './mock-redis.js'
export {
  findRedisServer,
  openPrivateRedis,
  type PrivateRedis,
  type PrivateRedisOptions,
} from './private-redis.js'
