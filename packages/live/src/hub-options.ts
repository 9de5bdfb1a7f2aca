/** What `LiveHub` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type Complete,
  functionOption,
  InvalidOptionError,
  objectOptions,
  type Observer,
  partOption,
  type RandomSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import type { LiveFeed, LivePrincipal, LiveSnapshot } from './feed.js'
import type { RingBounds } from './ring.js'
import type { LiveTopics } from './topics.js'

/** Bounds of a hub; each has a default that suits a page of figures. Durations are in ms. */
export interface LiveLimits {
  /** Events are sent at once, and then no more often than this. @defaultValue 50 */
  readonly tickMs?: number | undefined
  /** Latest events of a company that are kept for its clients. @defaultValue 10_000 */
  readonly ringEventsMax?: number | undefined
  /** Their bytes. @defaultValue 8_388_608 */
  readonly ringBytesMax?: number | undefined
  /** Latest events that are read when a company's first client comes. @defaultValue 1_000 */
  readonly preloadEvents?: number | undefined
  /** Events in the snapshot of the log topic. @defaultValue 50 */
  readonly recentEvents?: number | undefined
  /** One write of frames; a longer event goes alone. @defaultValue 65_536 */
  readonly frameBytesMax?: number | undefined
  /** Nothing is written to a client that has more than this unsent. @defaultValue 65_536 */
  readonly unsentBytesMax?: number | undefined
  /** A client that takes no byte for this long, or is behind for this long, is closed. @defaultValue 20_000 */
  readonly stalledMsMax?: number | undefined
  /** Resets without having caught up after which a client is closed. @defaultValue 3 */
  readonly resetsMax?: number | undefined
  /** Silence after which a client is asked whether it lives; twice that ends it. @defaultValue 25_000 */
  readonly heartbeatMs?: number | undefined
  /** For the ticket, when it was not part of the handshake. @defaultValue 5_000 */
  readonly ticketMsMax?: number | undefined
  /** One message of a client. @defaultValue 16_384 */
  readonly messageBytesMax?: number | undefined
  /** Frames of one message of a client. @defaultValue 16 */
  readonly fragmentsMax?: number | undefined
  /** Messages and pings of one client in a second. @defaultValue 20 */
  readonly messagesPerSecondMax?: number | undefined
  /** Connections of this hub. @defaultValue 10_000 */
  readonly connectionsMax?: number | undefined
  /** Connections from one address. @defaultValue 200 */
  readonly connectionsPerAddressMax?: number | undefined
  /** Connections of one user. @defaultValue 20 */
  readonly connectionsPerUserMax?: number | undefined
  /** Connections of one company. @defaultValue 5_000 */
  readonly connectionsPerCompanyMax?: number | undefined
  /** A snapshot is used again for this long. @defaultValue 250 */
  readonly snapshotReuseMs?: number | undefined
  /** A snapshot, a ticket, a page of history. @defaultValue 10_000 */
  readonly deadlineMs?: number | undefined
  /** How long a company without clients is still heard. @defaultValue 30_000 */
  readonly lingerMs?: number | undefined
  /** On `close`, clients are told to come back spread over this time. @defaultValue 5_000 */
  readonly spreadMs?: number | undefined
  /** How long `close` waits for clients to say goodbye. @defaultValue 2_000 */
  readonly goodbyeMsMax?: number | undefined
}

/** Options of `LiveHub`. */
export interface LiveHubOptions<E> extends LiveLimits {
  /** Where events come from: `LogFeed`, or the host's own. */
  readonly feed: LiveFeed<E>
  /** What a client can subscribe to, and what each event is there. */
  readonly topics: LiveTopics<E>
  /** The state of a topic as a client first sees it. */
  readonly snapshot: LiveSnapshot
  /** Whose ticket this is; undefined for one that is none, has run out, or was used before. */
  readonly admit: (ticket: string) => Promise<LivePrincipal | undefined>
  /** The sub-protocol that clients must offer. @defaultValue 'kerp.live.v1' */
  readonly protocol?: string | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
}

/** The options with every choice made. */
export interface LiveHubParts<E> extends Complete<Omit<LiveHubOptions<E>, 'observer'>> {
  readonly observer: Observer
  readonly ring: RingBounds
}

const PROTOCOL = /^[A-Za-z0-9._-]{1,64}$/

type Bounds = Readonly<Record<keyof LiveLimits, readonly [min: number, fallback: number]>>

const BOUNDS: Bounds = {
  tickMs: [0, 50],
  ringEventsMax: [1, 10_000],
  ringBytesMax: [1_024, 8_388_608],
  preloadEvents: [0, 1_000],
  recentEvents: [0, 50],
  frameBytesMax: [1_024, 65_536],
  unsentBytesMax: [1_024, 65_536],
  stalledMsMax: [10, 20_000],
  resetsMax: [1, 3],
  heartbeatMs: [10, 25_000],
  ticketMsMax: [10, 5_000],
  messageBytesMax: [256, 16_384],
  fragmentsMax: [1, 16],
  messagesPerSecondMax: [1, 20],
  connectionsMax: [1, 10_000],
  connectionsPerAddressMax: [1, 200],
  connectionsPerUserMax: [1, 20],
  connectionsPerCompanyMax: [1, 5_000],
  snapshotReuseMs: [0, 250],
  deadlineMs: [10, 10_000],
  lingerMs: [0, 30_000],
  spreadMs: [0, 5_000],
  goodbyeMsMax: [0, 2_000],
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveLiveHubOptions<E>(options: LiveHubOptions<E>): LiveHubParts<E> {
  const limit = (name: keyof LiveLimits): number => {
    const [min, fallback] = BOUNDS[name]
    return wholeNumberOption('LiveHub', name, options[name], { min, max: 1_000_000_000, fallback })
  }
  objectOptions('LiveHub', options)
  partOption('LiveHub', 'feed', options.feed, {
    methods: ['open', 'read'],
    words: 'a feed: `LogFeed`, or your own',
  })
  objectOptions('LiveHub', options.topics, 'topics')
  functionOption('LiveHub', 'snapshot', options.snapshot)
  functionOption('LiveHub', 'admit', options.admit)
  const protocol = options.protocol ?? 'kerp.live.v1'
  if (!PROTOCOL.test(protocol))
    throw new InvalidOptionError('LiveHub', 'protocol', String(PROTOCOL), protocol)
  return Object.freeze({
    feed: options.feed,
    topics: options.topics,
    snapshot: options.snapshot,
    admit: options.admit,
    protocol,
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    ring: { eventsMax: limit('ringEventsMax'), bytesMax: limit('ringBytesMax') },
    tickMs: limit('tickMs'),
    ringEventsMax: limit('ringEventsMax'),
    ringBytesMax: limit('ringBytesMax'),
    preloadEvents: Math.min(limit('preloadEvents'), limit('ringEventsMax')),
    recentEvents: limit('recentEvents'),
    frameBytesMax: limit('frameBytesMax'),
    unsentBytesMax: limit('unsentBytesMax'),
    stalledMsMax: limit('stalledMsMax'),
    resetsMax: limit('resetsMax'),
    heartbeatMs: limit('heartbeatMs'),
    ticketMsMax: limit('ticketMsMax'),
    messageBytesMax: limit('messageBytesMax'),
    fragmentsMax: limit('fragmentsMax'),
    messagesPerSecondMax: limit('messagesPerSecondMax'),
    connectionsMax: limit('connectionsMax'),
    connectionsPerAddressMax: limit('connectionsPerAddressMax'),
    connectionsPerUserMax: limit('connectionsPerUserMax'),
    connectionsPerCompanyMax: limit('connectionsPerCompanyMax'),
    snapshotReuseMs: limit('snapshotReuseMs'),
    deadlineMs: limit('deadlineMs'),
    lingerMs: limit('lingerMs'),
    spreadMs: limit('spreadMs'),
    goodbyeMsMax: limit('goodbyeMsMax'),
  })
}
