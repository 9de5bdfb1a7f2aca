/** The part of the catalogue that is about live connections. */

import type { LiveClose, LiveRefusal, LiveReset } from '@kerp/core'
import { closed, counter, gauge, histogram, type MetricDefinition, words } from './metric-definition.js'

/** Metrics of the hub of live connections. */
export const LIVE_METRICS = {
  liveConnections: gauge('live_connections_size', 'Live connections that are open', []),
  liveRefusals: counter('live_refusals_total', 'Live connections that were not accepted', [
    closed(
      'reason',
      words<LiveRefusal['reason']>({
        method: true,
        host: true,
        origin: true,
        protocol: true,
        ticket: true,
        limit: true,
        draining: true,
      }),
    ),
  ]),
  liveCloses: counter('live_closes_total', 'Live connections that the hub closed', [
    closed(
      'reason',
      words<LiveClose['reason']>({
        restart: true,
        overloaded: true,
        slow: true,
        ticket: true,
        noTicket: true,
        rate: true,
        forbidden: true,
        protocol: true,
      }),
    ),
  ]),
  liveResets: counter('live_resets_total', 'Live clients that lost events and got a snapshot', [
    closed('reason', words<LiveReset['reason']>({ refused: true, lagged: true, history: true })),
  ]),
  liveFlushLatency: histogram('live_flush_latency_seconds', 'Time of one round over live clients', []),
} as const satisfies Readonly<Record<string, MetricDefinition>>
