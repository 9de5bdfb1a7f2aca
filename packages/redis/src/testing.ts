/** Test doubles and private servers, for this project's tests and its users'. */

export { mockRedis } from './mock-redis.js'
export {
  openPrivateCluster,
  type PrivateCluster,
  type PrivateClusterOptions,
  type SlotMove,
} from './private-cluster.js'
export {
  findRedisServer,
  openPrivateRedis,
  type PrivateRedis,
  type PrivateRedisOptions,
  type PrivateTls,
} from './private-redis.js'
export {
  openPrivateReplicas,
  type PrivateReplicas,
  type PrivateReplicasOptions,
} from './private-replicas.js'
