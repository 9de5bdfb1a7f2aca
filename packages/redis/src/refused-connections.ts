/** Which clients have no connection because the server refuses their user or password: they do not mend themselves. */

import type { Cluster, Redis } from 'ioredis'
import { readReply, type Reply } from './reply-codes.js'

/** Reply codes that an operator mends, by the password, the user or its rights. */
const OF_CREDENTIALS = new Set(['NOAUTH', 'WRONGPASS', 'NOPERM'])

type RedisClient = Redis | Cluster

/** By client, what the server answered to its last attempt to connect; gone once it is connected. */
export const refusedConnections = new WeakMap<RedisClient, Reply>()

const watched = new WeakSet<RedisClient>()

/** Keeps what the server answers to the client's attempts to connect, from now on. */
export function watchRefusals(redis: RedisClient): void {
  if (watched.has(redis)) return
  watched.add(redis)
  redis.on('error', (error: unknown) => {
    const refusal = refusalIn(error)
    if (refusal !== undefined) refusedConnections.set(redis, refusal)
  })
  redis.on('ready', () => refusedConnections.delete(redis))
}

/** The server's refusal of a user or password in an error of a client; undefined for all else. */
export function refusalIn(error: unknown): Reply | undefined {
  if (!(error instanceof Error)) return undefined
  const reply = readReply(error.message)
  if (isOfCredentials(reply.code)) return reply
  // A cluster client says that all nodes failed, and keeps the error of the last one.
  return refusalIn(Reflect.get(error, 'lastNodeError'))
}

/** Whether a reply code is about the user, its password or its rights. */
export function isOfCredentials(code: string | undefined): boolean {
  return code !== undefined && OF_CREDENTIALS.has(code)
}
