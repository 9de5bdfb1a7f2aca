/** The part of the catalogue that is about caches inside processes, and about who vouches for them. */

import type { LocalTierDrop } from '@kerp/core'
import { closed, counter, gauge, type MetricDefinition, words } from './metric-definition.js'

/** Metrics of the in-process tier, of the breaker, and of heartbeats. */
export const LOCAL_TIER_METRICS = {
  cacheTrusted: gauge('cache_trusted_ratio', 'Whether this process may answer cached values: 1 or 0', []),
  cacheTrustAge: gauge('cache_trust_age_seconds', 'How old a cached value may be that is answered now', []),
  localTierCompanies: gauge('local_tier_companies', 'Companies that this process listens to', []),
  localTierEntries: gauge('local_tier_size', 'Values held in the memory of this process', []),
  localTierBytes: gauge('local_tier_bytes', 'Estimated memory of the values held in this process', []),
  localTierDrops: counter('local_tier_drops_total', 'Times that values held in this process were dropped', [
    closed(
      'reason',
      words<LocalTierDrop['reason']>({
        gap: true,
        reconnect: true,
        generation: true,
        fork: true,
        idle: true,
        bounds: true,
      }),
    ),
  ]),
  balanceDrift: counter('balance_drift_total', 'Cached values that were never a state of their row', []),
  redisBreakerChanges: counter(
    'redis_breaker_changes_total',
    'Times that reads stopped or began to ask Redis',
    [closed('state', ['open', 'closed'])],
  ),
  relayHeartbeats: counter('outbox_relay_heartbeats_total', 'Heartbeats that a relay has published', []),
  relayProbes: gauge('outbox_relay_probe_size', 'Processes whose probes the latest heartbeat has echoed', []),
} as const satisfies Readonly<Record<string, MetricDefinition>>
