/**
 * A connection is told once that it is to end. ioredis tells it for each call that a server refused as a replica, and a
 * cluster client tells its last subscriber again with each attempt at another: each time leaves a listener and a timer on
 * the socket, also on one that ended long ago.
 */

import { Redis } from 'ioredis'
import type { RedisClient } from './outcome.js'

/** Makes each connection of a client, and those that it makes for its subscriptions, end once. */
export function disconnectOnce(client: RedisClient): void {
  if (client instanceof Redis) endOnce(client)
  else endSubscribersOnce(client)
}

function endOnce(client: Redis): void {
  const disconnect = client.disconnect.bind(client)
  let told: 'anew' | 'for good' | undefined
  client.on('close', () => (told = undefined))
  client.disconnect = (reconnect = false) => {
    const isTold = told === 'for good' || (told === 'anew' && reconnect)
    if (isTold || client.status === 'end') return
    // Without an open socket there is no close to wait for.
    if (client.status === 'ready' || client.status === 'connect') told = reconnect ? 'anew' : 'for good'
    disconnect(reconnect)
  }
}

/** ioredis shows them to nobody; where it has other names for them, they go on as it made them. */
function endSubscribersOnce(cluster: object): void {
  const subscribers: unknown = Reflect.get(cluster, 'subscriber')
  if (typeof subscribers !== 'object' || subscribers === null) return
  const select: unknown = Reflect.get(subscribers, 'selectSubscriber')
  if (typeof select !== 'function') return
  const selectAndBind = (): void => {
    Reflect.apply(select, subscribers, [])
    const made: unknown = Reflect.get(subscribers, 'subscriber')
    if (made instanceof Redis) endOnce(made)
  }
  Reflect.set(subscribers, 'selectSubscriber', selectAndBind)
}
