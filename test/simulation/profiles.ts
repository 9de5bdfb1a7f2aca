/** Kinds of worlds: what is slow, what goes wrong, and how often. A seed picks one. */

/** One kind. Times are in ms. */
export interface Profile {
  readonly busyMs: number
  /** What is left to come to rest in. */
  readonly settleMs: number
  /** Between two passes of a relay, two reads and two postings of a process. */
  readonly passMs: number
  readonly readMs: number
  readonly postMs: number
  readonly harmMs: number
  /** How many hops take up to `slowMs`. */
  readonly slow: number
  readonly slowMs: number
  /** How many calls are lost on their way. */
  readonly loss: number
  /** How many pushes are lost. */
  readonly pushLoss: number
  /** How many loads take up to `slowLoadMs` longer, and how many of those under a lease fail. */
  readonly slowLoad: number
  readonly slowLoadMs: number
  readonly failingLoad: number
  /** Whether nothing but time takes a lease away, so that loads can be counted. */
  readonly countsLoads: boolean
  readonly relays: 1 | 2
  readonly harms: readonly Harm[]
}

export type Harm =
  | 'evict'
  | 'expire'
  | 'die'
  | 'evictWatermark'
  | 'flush'
  | 'failover'
  | 'failoverEvicted'
  | 'restore'
  | 'cut'
  | 'suspend'
  | 'suspendRelay'
  | 'trim'
  | 'repair'
  | 'forget'

const RACES = {
  busyMs: 120,
  settleMs: 300,
  passMs: 14,
  readMs: 6,
  postMs: 12,
  harmMs: 6,
  slow: 0.15,
  slowMs: 30,
  loss: 0.02,
  pushLoss: 0.05,
  slowLoad: 0.05,
  slowLoadMs: 100,
  failingLoad: 0.03,
  countsLoads: false,
  relays: 2,
} as const

const STALLS = {
  busyMs: 3_000,
  settleMs: 700,
  passMs: 200,
  readMs: 130,
  postMs: 260,
  harmMs: 350,
  slow: 0.1,
  slowMs: 80,
  loss: 0.01,
  pushLoss: 0.1,
  slowLoad: 0.05,
  slowLoadMs: 100,
  failingLoad: 0.03,
  countsLoads: false,
  relays: 1,
} as const

const LOADS = {
  busyMs: 400,
  settleMs: 100,
  passMs: 20,
  readMs: 5,
  postMs: 60,
  harmMs: 8,
  slow: 0.1,
  slowMs: 8,
  loss: 0,
  pushLoss: 0.1,
  slowLoad: 0.4,
  slowLoadMs: 160,
  failingLoad: 0.25,
  countsLoads: true,
  relays: 1,
} as const

export const PROFILES: readonly Profile[] = [
  { ...RACES, harms: ['evict', 'evict', 'evict', 'repair', 'forget'] },
  { ...RACES, harms: ['evict', 'evict', 'evictWatermark', 'flush', 'trim', 'repair', 'failover'] },
  { ...RACES, harms: ['evict', 'failover', 'failoverEvicted', 'cut', 'repair', 'trim'] },
  { ...RACES, slow: 0.4, settleMs: 1_000, harms: ['evict', 'failover', 'failover'] },
  { ...RACES, harmMs: 12, harms: ['evict', 'evict', 'restore', 'failover', 'evict'] },
  { ...STALLS, harms: ['suspend', 'suspendRelay', 'cut', 'forget'] },
  { ...STALLS, relays: 2, harms: ['suspendRelay', 'failover', 'restore', 'cut', 'repair', 'suspend'] },
  { ...LOADS, harms: ['expire', 'expire', 'expire', 'die', 'suspend'] },
]
