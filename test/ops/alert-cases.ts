/** For each alert a minute-by-minute history in which it fires, and one in which it stays silent. */

/** Samples by series, in promtool's notation, one a minute from 0. */
export type History = Readonly<Record<string, string>>

/** One alert. */
export interface AlertCase {
  readonly fires: History
  readonly silent: History
  /** Labels of the alert that fires, beside its severity. */
  readonly labels: Readonly<Record<string, string>>
}

const A = { instance: 'a' }

/** At minute 30 the first history of each alerts, the second does not. */
export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  KerpBalanceDrift: {
    fires: { 'balance_drift_total{instance="a"}': '0x25 1x10' },
    silent: { 'balance_drift_total{instance="a"}': '3x60' },
    labels: A,
  },
  KerpRegisterFork: {
    fires: { 'register_forks_total{instance="a"}': '0x25 2x10' },
    silent: { 'register_forks_total{instance="a"}': '0x60' },
    labels: A,
  },
  KerpPostingUnknown: {
    fires: { 'voucher_postings_total{instance="a",result="unknown"}': '0x25 1x10' },
    silent: {
      'voucher_postings_total{instance="a",result="unknown"}': '1x60',
      'voucher_postings_total{instance="a",result="failed"}': '0+5x60',
    },
    labels: A,
  },
  KerpEventsLost: {
    fires: {
      'event_trimmed_unread_total{instance="a"}': '0x60',
      'events_trimmed_unread_total{instance="a"}': '0x25 7x10',
    },
    silent: {
      'event_trimmed_unread_total{instance="a"}': '0x60',
      'events_trimmed_unread_total{instance="a"}': '0x60',
    },
    labels: A,
  },
  KerpLockLost: {
    fires: { 'lock_losses_total{instance="a",reason="expired"}': '0x25 1x10' },
    silent: {
      'lock_losses_total{instance="a",reason="expired"}': '1x60',
      'lock_losses_total{instance="a",reason="closed"}': '0+1x60',
    },
    labels: A,
  },
  KerpRelayBehind: {
    fires: { 'outbox_relay_lag_seconds{job="kerp"}': '0x20 6x20' },
    silent: { 'outbox_relay_lag_seconds{job="kerp"}': '0x29 6x0 0x20' },
    labels: { job: 'kerp' },
  },
  KerpEventRelayBehind: {
    fires: { 'event_relay_lag_seconds{job="kerp"}': '31x60' },
    silent: { 'event_relay_lag_seconds{job="kerp"}': '29x60' },
    labels: { job: 'kerp' },
  },
  KerpCachesUntrusted: {
    fires: { 'cache_trusted_ratio{instance="a"}': '0x60', 'local_tier_companies{instance="a"}': '2x60' },
    silent: {
      'cache_trusted_ratio{instance="a"}': '0x60',
      'local_tier_companies{instance="a"}': '0x60',
      'cache_trusted_ratio{instance="b"}': '1x60',
      'local_tier_companies{instance="b"}': '2x60',
    },
    labels: A,
  },
  KerpEventBacklog: {
    fires: { 'event_backlog_size{group="invalidator"}': '10001x60' },
    silent: { 'event_backlog_size{group="invalidator"}': '0x25 20000x5' },
    labels: { group: 'invalidator' },
  },
  KerpDeadLetters: {
    fires: { 'event_dead_letter_total{group="mails",reason="attempts"}': '_x25 1x10' },
    silent: { 'event_dead_letter_total{group="mails",reason="attempts"}': '1x60' },
    labels: { group: 'mails' },
  },
  KerpEventGaps: {
    fires: { 'event_gap_total{reader="subscriber"}': '0+2x60' },
    silent: { 'event_gap_total{reader="subscriber"}': '0x25 3x20' },
    labels: { reader: 'subscriber' },
  },
  KerpHitRatioLow: {
    fires: {
      'cache_requests_total{type="balance",result="hit"}': '0+80x60',
      'cache_requests_total{type="balance",result="miss"}': '0+20x60',
    },
    silent: {
      'cache_requests_total{type="balance",result="hit"}': '0+80x60',
      'cache_requests_total{type="balance",result="local"}': '0+80x60',
      'cache_requests_total{type="balance",result="miss"}': '0+2x60',
      'cache_requests_total{type="report",result="miss"}': '0+1x60',
    },
    labels: { type: 'balance' },
  },
  KerpRedisErrors: {
    fires: {
      'redis_operations_total{instance="a",status="ok"}': '0+100x60',
      'redis_operations_total{instance="a",status="timeout"}': '0+5x60',
    },
    silent: {
      'redis_operations_total{instance="a",status="ok"}': '0+1000x60',
      'redis_operations_total{instance="a",status="error"}': '0+5x60',
    },
    labels: A,
  },
  KerpRedisBreakerOpen: {
    fires: { 'redis_breaker_changes_total{instance="a",state="open"}': '0x27 1x10' },
    silent: {
      'redis_breaker_changes_total{instance="a",state="open"}': '1x60',
      'redis_breaker_changes_total{instance="a",state="closed"}': '0x27 1x10',
    },
    labels: A,
  },
  KerpReadsSlow: {
    fires: {
      'cache_read_latency_seconds_bucket{type="balance",le="0.025"}': '0+95x60',
      'cache_read_latency_seconds_count{type="balance"}': '0+100x60',
    },
    silent: {
      'cache_read_latency_seconds_bucket{type="balance",le="0.025"}': '0+999x60',
      'cache_read_latency_seconds_count{type="balance"}': '0+1000x60',
    },
    labels: { type: 'balance' },
  },
  KerpPostingSlow: {
    fires: {
      'voucher_posting_latency_seconds_bucket{status="ok",le="0.5"}': '0+90x60',
      'voucher_posting_latency_seconds_bucket{status="ok",le="1"}': '0+100x60',
      'voucher_posting_latency_seconds_bucket{status="ok",le="+Inf"}': '0+100x60',
    },
    silent: {
      'voucher_posting_latency_seconds_bucket{status="ok",le="0.5"}': '0+100x60',
      'voucher_posting_latency_seconds_bucket{status="ok",le="+Inf"}': '0+100x60',
    },
    labels: {},
  },
  KerpStockRefused: {
    fires: {
      'stock_movements_total{kind="adjust",result="insufficient"}': '0+90x60',
      'stock_movements_total{kind="adjust",result="done"}': '0+30x60',
    },
    silent: {
      'stock_movements_total{kind="adjust",result="insufficient"}': '0+30x60',
      'stock_movements_total{kind="adjust",result="done"}': '0+90x60',
    },
    labels: {},
  },
  KerpPoolWaits: {
    fires: {
      'worker_pool_queue_wait_seconds_bucket{pool_name="reports",le="1"}': '0+90x60',
      'worker_pool_queue_wait_seconds_bucket{pool_name="reports",le="2.5"}': '0+100x60',
      'worker_pool_queue_wait_seconds_bucket{pool_name="reports",le="+Inf"}': '0+100x60',
    },
    silent: {
      'worker_pool_queue_wait_seconds_bucket{pool_name="reports",le="1"}': '0+100x60',
      'worker_pool_queue_wait_seconds_bucket{pool_name="reports",le="+Inf"}': '0+100x60',
    },
    labels: { pool_name: 'reports' },
  },
  KerpEventLoopBusy: {
    fires: { 'nodejs_eventloop_utilization_ratio{instance="a"}': '0.95x60' },
    silent: { 'nodejs_eventloop_utilization_ratio{instance="a"}': '0.5x25 0.95x5' },
    labels: A,
  },
  KerpLiveSlowClients: {
    fires: { 'live_closes_total{instance="a",reason="slow"}': '0+5x60' },
    silent: {
      'live_closes_total{instance="a",reason="slow"}': '0+1x60',
      'live_closes_total{instance="a",reason="restart"}': '0+50x60',
    },
    labels: A,
  },
  KerpLabelsDropped: {
    fires: { 'metrics_series_dropped_total{instance="a"}': '0+1x60' },
    silent: { 'metrics_series_dropped_total{instance="a"}': '9x60' },
    labels: A,
  },
  KerpDown: {
    fires: { 'up{job="kerp",instance="a"}': '1x20 0x20' },
    silent: { 'up{job="kerp",instance="a"}': '1x60', 'up{job="other",instance="b"}': '0x60' },
    labels: { job: 'kerp', ...A },
  },
}
