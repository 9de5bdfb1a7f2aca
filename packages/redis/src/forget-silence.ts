/**
 * A connection is judged by its own silence. ioredis looks at a connection `socketTimeout` after its first call without an
 * answer, goes on with that when the connection is lost meanwhile, and then ends the one that has taken its place.
 */

import { Redis } from 'ioredis'
import type { RedisClient } from './outcome.js'

/** Ends the look at each connection of a client together with that connection. */
export function forgetSilence(client: RedisClient): void {
  if (client instanceof Redis) {
    forgetWithConnection(client)
    return
  }
  for (const node of client.nodes('all')) forgetWithConnection(node)
  client.on('+node', forgetWithConnection)
}

/** ioredis shows the timer to nobody; where it has another name for it, it goes on as it made it. */
function forgetWithConnection(connection: Redis): void {
  connection.on('close', () => {
    const timer: unknown = Reflect.get(connection, 'socketTimeoutTimer')
    if (!(timer instanceof Object)) return
    clearTimeout(timer as NodeJS.Timeout)
    Reflect.set(connection, 'socketTimeoutTimer', undefined)
  })
}
