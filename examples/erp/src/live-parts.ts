/** The live page's server side, opened together: the hub at `/live`, what it hears, and the pulse. */

import type { Observer, RegisterSource } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { LiveHub, LogFeed } from '@kerp/live'
import type { EventLog } from '@kerp/postgres'
import type { ErpEventSchemas, Subscriber } from '@kerp/pubsub'
import type { ErpConfig } from './config.js'
import { hostCheck } from './http/hosts.js'
import type { HttpServer } from './http/server.js'
import { LIVE_TOPICS, liveSnapshot } from './live-topics.js'
import { LiveTickets } from './live-tickets.js'
import type { Opened, RedisPart } from './parts.js'
import { Pulse, type PulseOptions } from './pulse.js'
import type { Sessions } from './session.js'

/** What it stands on. */
export interface LivePartsOptions extends Omit<PulseOptions, 'hub' | 'redis' | 'stock'> {
  readonly stockAudit: PulseOptions['stock']
  /** Where the hub takes connections, once it listens at `url`. */
  readonly server: HttpServer
  readonly url: string
  readonly config: ErpConfig
  readonly sessions: Sessions
  readonly redis: RedisPart
  readonly keys: Keys
  readonly source: RegisterSource
  readonly eventLog: EventLog
  readonly subscriber: Subscriber<ErpEventSchemas>
  readonly observer: Observer
}

/** Demo users share one address; a page has one connection for each tab. */
const CONNECTIONS_PER_ADDRESS_MAX = 5_000
const CONNECTIONS_PER_USER_MAX = 1_000

/** Opens it. */
export function openLive(options: LivePartsOptions, opened: Opened): void {
  const { config, server, url, sessions, redis, keys, source, eventLog, subscriber, observer } = options
  const { ledger, balances, stockAudit: stock, locks, relay, metrics } = options
  const tickets = new LiveTickets({ sessions, redis: redis.coordination, keys })
  const hub = opened(
    new LiveHub({
      feed: new LogFeed({ source: eventLog, subscriber, observer }),
      topics: LIVE_TOPICS,
      snapshot: liveSnapshot(source),
      admit: (ticket) => tickets.take(ticket),
      connectionsPerAddressMax: CONNECTIONS_PER_ADDRESS_MAX,
      connectionsPerUserMax: CONNECTIONS_PER_USER_MAX,
      observer,
    }),
  )
  hub.attach(server.server, { origins: originsOf(config, url), allowHost: hostCheck(config) })
  const pulse = { hub, ledger, balances, stock, locks, redis: redis.coordination, relay, metrics }
  opened(new Pulse(pulse)).start()
}

/** The page's own origin; on loopback also by the machine's name. Further ones are given by `LIVE_ORIGINS`. */
function originsOf({ liveOrigins }: ErpConfig, url: string): readonly string[] {
  const { origin, protocol, port } = new URL(url)
  return [origin, `${protocol}//localhost:${port}`, `${protocol}//127.0.0.1:${port}`, ...liveOrigins]
}
