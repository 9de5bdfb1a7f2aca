/** The observations of publishers and readers of events; `observer.ts` lists when each is made. */

/** What became of events that were to be published. */
export interface EventPublish {
  readonly type: string
  /** `refused`: wrong, or no room · `failed`: Redis did not take it, or did not say so. */
  readonly result: 'published' | 'duplicate' | 'refused' | 'failed'
  readonly count: number
}

/** What became of events that reached a handler of this process. */
export interface EventDeliver {
  readonly reader: 'subscriber' | 'consumer'
  /** `invalid`: of an unknown type or another shape · `duplicate`: handled before · `failed`: the handler threw. */
  readonly result: 'handled' | 'failed' | 'invalid' | 'duplicate'
  readonly count: number
}

/** A subscriber of events has to begin anew. */
export interface EventReset {
  /** `trimmed`: it was too far behind · `lost`: Redis forgot · `mark`: the relay said so. */
  readonly reason: 'trimmed' | 'lost' | 'mark'
}

/** An event was put aside, for its handler cannot handle it. */
export interface EventDead {
  readonly group: string
  readonly reason: 'attempts' | 'refused' | 'invalid'
}
