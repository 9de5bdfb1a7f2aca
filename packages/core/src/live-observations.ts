/** What hubs of live pages report. */

/** A live connection was not accepted. */
export interface LiveRefusal {
  readonly reason: 'method' | 'host' | 'origin' | 'protocol' | 'ticket' | 'limit' | 'draining'
  /** For the reason `origin`: the origin that came, and those that may, as a sentence for a log. */
  readonly message?: string | undefined
}

/** The hub closed a live connection. */
export interface LiveClose {
  readonly reason:
    | 'restart'
    | 'overloaded'
    | 'slow'
    | 'ticket'
    | 'noTicket'
    | 'rate'
    | 'forbidden'
    | 'protocol'
}

/** A live client was told that it lost events, and got a snapshot. */
export interface LiveReset {
  /** `refused`: its place is not known · `lagged`: it was too slow · `history`: the company's events began anew. */
  readonly reason: 'refused' | 'lagged' | 'history'
}
