/** What loads hand to those who wait for them. */

import type { FlightMark } from '@kerp/core'
import type { Key } from '@kerp/keys'

/** One value that is to be read, with every key that it has to do with. */
export interface Wanted<R> {
  readonly ref: R
  readonly key: Key
  /** Undefined for a value of no company. */
  readonly companyId: string | undefined
  /** The generation of its company, or the key itself when it belongs to none: what is invalidated together. */
  readonly scope: Key
  /** Of the company and of its tags; empty for a value of no company. */
  readonly generationKeys: readonly Key[]
}

/** How a value came that the first look did not find. */
export interface LoadOutcome {
  /** What the codec wrote; undefined: there is nothing. */
  readonly payload: string | undefined
  /** `miss` loaded here, `wait` loaded by another process, `bypass` loaded without storing. */
  readonly result: 'miss' | 'wait' | 'bypass'
  /**
   * When Redis was asked, and said after that, that nothing was invalidated since the load began: so it also answers
   * a reader who came before this mark. 0 if Redis did not say so, without end if there is no Redis to ask.
   */
  readonly validAt: FlightMark
}
