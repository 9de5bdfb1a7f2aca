/** The part of the catalogue that is about caches inside processes, and about who vouches for them. */

import type { LocalTierDrop } from '@kerp/core'

/** The same word for word as the reasons of core, which the compiler compares. */
const REASONS: Readonly<Record<LocalTierDrop['reason'], true>> = {
  gap: true,
  reconnect: true,
  generation: true,
  fork: true,
  idle: true,
  bounds: true,
}

/** Metrics of the in-process tier, of the breaker, and of heartbeats. */
export const LOCAL_TIER_METRICS = {
  cacheTrusted: {
    name: 'cache_trusted_ratio',
    type: 'gauge',
    help: 'Whether this process may answer cached values: 1 or 0',
    labels: [],
  },
  cacheTrustAge: {
    name: 'cache_trust_age_seconds',
    type: 'gauge',
    help: 'How old a cached value may be that is answered now',
    labels: [],
  },
  localTierCompanies: {
    name: 'local_tier_companies',
    type: 'gauge',
    help: 'Companies that this process listens to',
    labels: [],
  },
  localTierEntries: {
    name: 'local_tier_size',
    type: 'gauge',
    help: 'Values held in the memory of this process',
    labels: [],
  },
  localTierBytes: {
    name: 'local_tier_bytes',
    type: 'gauge',
    help: 'Estimated memory of the values held in this process',
    labels: [],
  },
  localTierDrops: {
    name: 'local_tier_drops_total',
    type: 'counter',
    help: 'Times that values held in this process were dropped',
    labels: [{ name: 'reason', words: Object.keys(REASONS), open: false }],
  },
  balanceDrift: {
    name: 'balance_drift_total',
    type: 'counter',
    help: 'Cached values that were never a state of their row',
    labels: [],
  },
  redisBreakerChanges: {
    name: 'redis_breaker_changes_total',
    type: 'counter',
    help: 'Times that reads stopped or began to ask Redis',
    labels: [{ name: 'state', words: ['open', 'closed'], open: false }],
  },
  relayHeartbeats: {
    name: 'outbox_relay_heartbeats_total',
    type: 'counter',
    help: 'Heartbeats that a relay has published',
    labels: [],
  },
  relayProbes: {
    name: 'outbox_relay_probe_size',
    type: 'gauge',
    help: 'Processes whose probes the latest heartbeat has echoed',
    labels: [],
  },
} as const
