/** What a read answers for one row: the image, the history it belongs to, how new it is, who answered. */

import type { RegisterImage, RegisterRef } from '@kerp/core'
import { fieldsInBytes, type Watermark } from './register.js'

/** One answer. `l1` is the in-process tier. */
export interface RegisterReading {
  readonly image: RegisterImage
  /** The database history that the image belongs to. */
  readonly epoch: string
  /**
   * The answer is at least as new as this moment of the database's clock, in ms since 1970: of the statement
   * for an answer of the database, of what the relay had read for an answer of Redis.
   */
  readonly asOfMs: number
  readonly source: 'l1' | 'redis' | 'database'
}

/** Writes a reading in its readers' words; `before` is what it made of the same state, when that was as of an earlier moment. */
export type AnswerMaker<V> = (reading: RegisterReading, before: V | undefined) => V

/** A reading with all that it says in fields of its own. */
export function plainReading({ image, epoch, asOfMs, source }: RegisterReading): RegisterReading {
  const { ref, version, fields } = image
  return Object.freeze({ image: Object.freeze({ ref, version, fields }), epoch, asOfMs, source })
}

/**
 * A register as the bytes of Redis's reply, its own image.
 *
 * The fields are read when they are asked for the first time; until then it keeps the reply that it lay in.
 */
export class StoredReading implements RegisterReading, RegisterImage {
  readonly ref: RegisterRef
  readonly version: number
  readonly #watermark: Watermark
  #content: Buffer | readonly [string, string]

  /** `version` is what `versionInBytes` found in `bytes`. */
  constructor(ref: RegisterRef, version: number, bytes: Buffer, watermark: Watermark) {
    this.ref = ref
    this.version = version
    this.#watermark = watermark
    this.#content = bytes
  }

  get image(): RegisterImage {
    return this
  }

  get fields(): readonly [string, string] {
    if (Buffer.isBuffer(this.#content)) this.#content = fieldsInBytes(this.#content)
    return this.#content
  }

  get epoch(): string {
    return this.#watermark.epoch
  }

  get asOfMs(): number {
    return this.#watermark.asOfMs
  }

  get source(): 'redis' {
    return 'redis'
  }
}
