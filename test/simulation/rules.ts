/**
 * The rules that carry the promise, each by the name under which the simulation can leave it out.
 *
 * A rule that no schedule needs would be no rule: `simulation.test.ts` names a seed for each that goes wrong without it.
 */

export const RULES = {
  versionWins: 'an image replaces an older one only',
  updateOnly: 'an image never creates a register',
  pendingBesideLease: 'an image that meets a lease waits beside it',
  fillTakesNewest: 'a fill stores the newer of its row and what waited',
  fillNeedsLease: 'a fill stores only under its own lease',
  leaseHasGeneration: 'a lease belongs to a generation',
  registerHasGeneration: 'a register of another generation is missing',
  generationIsNew: 'a generation is never used twice',
  leaseIsKept: 'a lease goes on as long as its load runs',
  leaseEnds: 'a lease ends by itself when its process is heard of no more',
  keepOwnLease: 'a process keeps no lease but its own',
  waiterLeasesAnew: 'one of those who wait takes the lease of a load that ended with nothing',
  failureHoldsBack: 'a row whose load failed is left alone for a moment, by all processes',
  backoffEnds: 'a back-off ends by itself',
  failOwnLease: 'a failed load ends no lease but its own',
  loadAfterLease: 'a load that began before the lease is not joined',
  relayCompares: 'the relay moves the watermark only from where it stands',
  watermarkWithData: 'the watermark is where the registers are, not in the memory of the relay',
  idleIsChecked: 'the relay checks the watermark of an idle company',
  snapshotCursor: 'a position is a snapshot, not the last id',
  trimIsMarked: 'a watermark behind the trimmed rows gets a new generation',
  invalidationIsLogged: 'an invalidation is a row of the outbox',
  epochInWatermark: 'another epoch of the database gets a new generation',
  epochInFill: 'a fill of another epoch is refused',
  epochInApply: 'an image of another epoch is refused',
  commitTag: 'a commit counts only if its tag is COMMIT',
  sumPerRow: 'amounts are summed per row before the update',
  gapDrops: 'a gap between two pushes drops the company',
  pushUpdatesOnly: 'an image that says no position never creates an entry',
  replyNotBehind: 'a reply behind our position is not admitted',
  floor: 'a value behind the floor of the heartbeat is not served',
  generationInPush: 'a push of another generation drops the company',
  heartbeatAfterRelay: 'a heartbeat follows the acknowledged relay',
  probeBeforeSnapshot: 'probes are read before the snapshot is taken',
  trustBySendTime: 'trust counts from the send time of the echoed probe',
  trustExpires: 'trust ends by the clock',
  ownWrites: 'a process is answered nothing older than what it wrote',
  atLeast: 'a read with a token goes on until its version is reached',
} as const

export type Rule = keyof typeof RULES

/** Which rules hold: all, or all but one. */
export class Rules {
  readonly #without: Rule | undefined

  constructor(without?: Rule) {
    this.#without = without
  }

  holds(rule: Rule): boolean {
    return this.#without !== rule
  }
}
