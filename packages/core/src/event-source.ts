/**
 * Where committed events are read from: one numbered log per company, the same for the history that a client asks
 * for, for the stream in Redis, and for every receiver's position. Ready-made in `@kerp/postgres`.
 */

/** One event of a committed change, with its place in the company's one order of events. */
export interface CommittedEvent {
  readonly companyId: string
  /** Decimal text; per company 1, 2, 3 … without a gap. Never changes once given, and is the event's id. */
  readonly position: string
  readonly type: string
  /** When the change was written, by the database's clock: ISO-8601 in UTC. Never decides an order. */
  readonly timestamp: string
  /** A JSON value. */
  readonly payload: unknown
  readonly traceparent?: string | undefined
}

/** How far the log of one company goes. */
export interface EventHead {
  readonly companyId: string
  /** Of its last event; `'0'` before the first. */
  readonly position: string
}

/** What `advance` may do. */
export interface EventAdvanceOptions {
  /** Numbers at most this many changes; vouchers of one transaction are one change, and an event each. */
  readonly limit: number
  /** Answers the heads of all companies, not only of those that moved. */
  readonly all?: boolean | undefined
}

/** What `advance` came to. */
export interface EventAdvance {
  /** Names the history that positions belong to: a database that went back has another. */
  readonly epoch: string
  readonly heads: readonly EventHead[]
  /** Whether committed events are left to number. */
  readonly isMore: boolean
}

/** How far the logs of some companies go. */
export interface EventHeads {
  readonly epoch: string
  /** A company without events is left out. */
  readonly heads: readonly EventHead[]
}

/** Which events to read. */
export interface EventPageQuery {
  readonly companyId: string
  /** Only positions greater than this one; `'0'` for the beginning. */
  readonly after: string
  readonly limit: number
}

/** Events of one company, in order and without a gap. */
export interface EventPage {
  readonly epoch: string
  readonly events: readonly CommittedEvent[]
  /** Events up to this position were deleted; a reader whose `after` is smaller has lost some. `'0'`: none. */
  readonly trimmedTo: string
}

/** A log of committed events, numbered per company. Any number of processes may advance it at once. */
export interface EventSource {
  /** Gives numbers to what was committed since the last call, by whoever it was made. */
  advance(options: EventAdvanceOptions): Promise<EventAdvance>
  /** Events that have numbers. */
  read(query: EventPageQuery): Promise<EventPage>
  /**
   * How far the logs of some companies go, at most 10,000 of them: whoever follows many companies asks once for all, and
   * reads those that moved. A source that cannot say is read company by company.
   */
  readonly heads?: ((companyIds: readonly string[]) => Promise<EventHeads>) | undefined
  /** Calls `wake` soon after a commit that wrote events. A hint: it may be missing, late or needless. */
  onWake(wake: () => void): Promise<{ close(): Promise<void> }>
}

/**
 * How far readers of a log got, kept beside it: retention deletes nothing that one of them still has to read, and a
 * reader whose own memory is gone continues from here.
 */
export interface EventSinks {
  /** Remembers positions; a smaller one than before changes nothing. */
  reached(sink: string, heads: readonly EventHead[]): Promise<void>
  /** What a sink has reached, in every company that it named. */
  positions(sink: string): Promise<readonly EventHead[]>
}
