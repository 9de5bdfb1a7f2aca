/** The ports through which a hub hears events and takes snapshots; a service implements them, or uses `LogFeed`. */

/** Events of one company that follow each other: their positions are from + 1 to `to`. */
export interface LiveBlock<E> {
  readonly from: number
  readonly to: number
  readonly events: readonly E[]
}

/** Where a company's events stand. */
export interface LiveStart {
  /** Names the history that positions belong to. After a database went back it has another name. */
  readonly history: string
  /** Of the newest event. */
  readonly position: number
}

/** What a feed calls, in order. */
export interface LiveFeedHandlers<E> {
  /**
   * The first call of all: events after this position will follow. Called again when events were lost for good or the
   * history is another one: then clients get a snapshot.
   */
  onStart(start: LiveStart): void
  /** `from` is where the block before it ended, or the position of the start. */
  onEvents(block: LiveBlock<E>): void
}

/** Which events to read again. */
export interface LiveHistoryQuery {
  readonly companyId: string
  /** Only events after this position. */
  readonly after: number
  readonly limit: number
}

/** Events that were read again. */
export interface LiveHistory<E> {
  readonly history: string
  readonly events: readonly E[]
  /** Events up to here are deleted. */
  readonly trimmedTo: number
}

/** Where a hub hears the events of a company. */
export interface LiveFeed<E> {
  /** Begins at once and in the background; tries again by itself until it is closed. */
  open(companyId: string, handlers: LiveFeedHandlers<E>): { close(): Promise<void> }
  /** Reads events that came before. */
  read(query: LiveHistoryQuery): Promise<LiveHistory<E>>
}

/**
 * The items of topics as they stand now: read from where every event that the hub has heard before the call is
 * certainly visible, so from the primary database or from what is proven to be as new. One call serves all clients
 * that ask at about the same time.
 */
export type LiveSnapshot = (query: {
  readonly companyId: string
  readonly topics: readonly string[]
}) => Promise<Readonly<Record<string, readonly unknown[]>>>

/** Who a ticket belongs to. */
export interface LivePrincipal {
  readonly companyId: string
  readonly user: string
  /** Topics that this user may see. @defaultValue all */
  readonly topics?: readonly string[] | undefined
  /** How long the connection may live, in ms. @defaultValue as long as it likes */
  readonly lifetimeMs?: number | undefined
}
