export type { RedisRole } from './acl-roles.js'
export { type AclUser, aclUser, type AclUserOptions } from './acl-user.js'
export { askRedis, type AskingParts } from './ask-redis.js'
export { Circuit, type CircuitOptions } from './circuit.js'
export { type RedisArgument, redisCommand } from './command.js'
export { redisClientOption } from './client-check.js'
export { closeRedis, connectRedis, duplicateToSubscribe, whenReady } from './connection.js'
export { createRedis } from './create-redis.js'
export {
  type RedisFailure,
  RedisInsecureError,
  RedisMissingError,
  RedisNotDoneError,
  RedisRefusedError,
  RedisUnknownError,
  RedisUnsuitableError,
} from './errors.js'
export { assertCoordinationRedis, type RedisHealth, redisHealth, type RedisPersistence } from './health.js'
export {
  type CallEffect,
  type CallReceiver,
  DEADLINE_MS_DEFAULT,
  type RedisCallOptions,
  type RedisClient,
} from './outcome.js'
export { readMany } from './read-many.js'
export type {
  ClusterNodes,
  CreateRedisOptions,
  RedisEnvironment,
  RedisNode,
  SentinelOptions,
} from './redis-options.js'
export { REPLY_CODES, type ReplyRule, type ReplyVerdict } from './reply-codes.js'
export { defineScript, type Script, type ScriptCallOptions, type ScriptDefinition } from './script.js'
export { redisHealthCauses, type RedisUse } from './health-causes.js'
