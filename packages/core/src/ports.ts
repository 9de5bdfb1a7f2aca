/**
 * What a host implements, or takes ready-made from `@kerp/postgres`: where registers are loaded from and
 * where committed changes are read in order.
 */

/** What kind of row a register caches; also the first word of its Redis key. */
export type RegisterFamily = 'balance' | 'inventory'

/** Names one row of the database and its register: (account, fiscal year) or (item, warehouse) of a company. */
export interface RegisterRef {
  readonly companyId: string
  readonly family: RegisterFamily
  readonly parts: readonly [string, string]
}

/**
 * A row as it stood after a committed change.
 *
 * Version n of a row names exactly one state. Fields are whole decimal numbers as text: debit and credit totals
 * in minor units, or on-hand and reserved thousandths. A row that was never written is version 0 with `'0'`, `'0'`.
 */
export interface RegisterImage {
  readonly ref: RegisterRef
  readonly version: number
  readonly fields: readonly [string, string]
}

/** Images of one company with the database history that they belong to. */
export interface RegisterImages {
  /** Names the database and its timeline; images of another epoch are refused by every script. */
  readonly epoch: string
  readonly images: readonly RegisterImage[]
}

/** Images read from the database, in the order of the refs that were asked for. */
export interface LoadedRegisters extends RegisterImages {
  /** The database's clock at the read, in ms since 1970. */
  readonly asOfMs: number
}

/** Which rows to list: a family of one company, optionally with one second part (the fiscal year). */
export interface RegisterListing {
  readonly companyId: string
  readonly family: RegisterFamily
  readonly secondPart?: string | undefined
  /** Continues after this ref of the previous page. */
  readonly after?: RegisterRef | undefined
  readonly limit: number
}

/** Where registers are loaded from. */
export interface RegisterSource {
  /**
   * Reads rows in one autocommit statement on the primary that begins after the call: never from a caller's
   * transaction, never from a replica. The answer has one image for each ref, in the same order.
   */
  load(companyId: string, refs: readonly RegisterRef[]): Promise<LoadedRegisters>
  /**
   * The epoch that a `load` would answer with: asked once by a process that has loaded nothing yet, and when Redis holds
   * rows of another epoch. Left out: a row is loaded for it.
   */
  readonly readEpoch?: (() => Promise<string>) | undefined
  /** Lists rows in a fixed order, for warming and audits. */
  list(listing: RegisterListing): Promise<LoadedRegisters>
}

/** A committed change as the outbox keeps it. */
export type OutboxChange =
  | { readonly kind: 'image'; readonly image: RegisterImage }
  | { readonly kind: 'invalidate'; readonly ref: RegisterRef }
  | { readonly kind: 'invalidateAll' }

/** One row of the outbox; `id` grows in the order in which the changes of one row were committed. */
export interface OutboxRow {
  readonly id: string
  readonly companyId: string
  readonly change: OutboxChange
}

/**
 * A position in the outbox: the set of transactions whose rows were read. Opaque to all but the source;
 * never contains `|`, `>` or `#`.
 */
export type OutboxPosition = string

/** One look at the outbox. */
export interface OutboxTick {
  readonly epoch: string
  /** The database's clock at `target`, in ms since 1970. */
  readonly asOfMs: number
  /** The position that is reached when all rows of this tick were relayed. */
  readonly target: OutboxPosition
  /** Rows covered by this position were deleted, save the last of each company; a reader behind it lost some. */
  readonly trimmedTo: OutboxPosition | undefined
  /** In order; at most `limit`. As many as `limit` means that there may be more: read on with `page`. */
  readonly rows: readonly OutboxRow[]
}

/** Which rows between two positions to read. */
export interface OutboxPageQuery {
  readonly after: OutboxPosition
  readonly target: OutboxPosition
  /** Only ids greater than this one; `'0'` for the first page. */
  readonly afterId: string
  readonly limit: number
  /** Only this company's rows. */
  readonly companyId?: string | undefined
}

/** Rows of one page, and the epoch of the statement that read them. */
export interface OutboxPage {
  readonly epoch: string
  readonly rows: readonly OutboxRow[]
}

/** Where committed changes are read: each row once, in order per row, whole ticks being consistent cuts. */
export interface OutboxSource {
  /** Takes a new target and returns the rows between `after` and it; without `after` no rows. */
  tick(query: { readonly after?: OutboxPosition | undefined; readonly limit: number }): Promise<OutboxTick>
  /** Reads on inside a fixed target. */
  page(query: OutboxPageQuery): Promise<OutboxPage>
  /** Every company that ever had a row. */
  companies(): Promise<readonly string[]>
  /** Whether every row that `earlier` covers is covered by `later` too. */
  covers(later: OutboxPosition, earlier: OutboxPosition): boolean
  /** Calls `wake` soon after a commit that wrote rows. A hint: it may be missing, late or needless. */
  onWake(wake: () => void): Promise<{ close(): Promise<void> }>
}

/** Writes the control rows that void registers, in the order of all other changes. */
export interface InvalidationLog {
  invalidate(ref: RegisterRef): Promise<void>
  invalidateAll(companyId: string): Promise<void>
}
