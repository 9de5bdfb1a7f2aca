/** What a read token asks of an answer, by register key. */

import {
  InvalidInputError,
  parseReadToken,
  type ReadToken,
  type ReadTokenGroup,
  type RegisterRef,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { EpochChangedError, VersionNotReachedError } from './errors.js'
import type { RegisterReading } from './register-reading.js'

/** The demands of one read. */
export class Wanted {
  readonly #epoch: string | undefined
  readonly #versions = new Map<string, number>()
  /** How the keys begin of rows that the token covers without naming each; undefined when it names all. */
  readonly #unnamed: string | undefined

  /** @throws {InvalidInputError} `INVALID_INPUT` for a token that no posting returned. */
  constructor(keys: Keys, token: ReadToken) {
    const { epoch, versions, unnamed } = parseReadToken(token)
    this.#epoch = epoch
    this.#unnamed = unnamed === undefined ? undefined : keyHeadOf(keys, unnamed)
    for (const [name, version] of versions) this.#versions.set(keys.register(refOf(name)), version)
  }

  /** Whether an answer of a cache, of this history and version, is new enough. */
  isMet(key: string, epoch: string, version: number): boolean {
    if (this.#epoch !== undefined && this.#epoch !== epoch) return false
    const wanted = this.#versions.get(key)
    if (wanted !== undefined) return version >= wanted
    return this.#unnamed === undefined || !key.startsWith(this.#unnamed)
  }

  /**
   * Refuses an answer of the database itself, than which there is no newer one.
   *
   * @throws {EpochChangedError} `EPOCH_CHANGED`, not retryable.
   * @throws {VersionNotReachedError} `VERSION_NOT_REACHED`, retryable.
   */
  demand(key: string, reading: RegisterReading): void {
    if (this.#epoch !== undefined && this.#epoch !== reading.epoch) {
      throw new EpochChangedError(this.#epoch, reading.epoch)
    }
    const version = this.#versions.get(key) ?? 0
    if (reading.image.version < version) throw new VersionNotReachedError(version, reading.image.version)
  }
}

/** Up to the first part, which is all that the keys of a group have in common. */
function keyHeadOf(keys: Keys, { companyId, family }: ReadTokenGroup): string {
  const key = keys.register({ companyId, family, parts: ['1', '2000'] })
  return key.slice(0, -'1:2000'.length)
}

function refOf(name: string): RegisterRef {
  const parsed: unknown = parse(name)
  if (Array.isArray(parsed) && parsed.length === 4 && parsed.every((part) => typeof part === 'string')) {
    const [companyId, family, first, second] = parsed as [string, string, string, string]
    if (family === 'balance' || family === 'inventory') return { companyId, family, parts: [first, second] }
  }
  throw new InvalidInputError('atLeast', 'a read token returned by a posting', name)
}

function parse(name: string): unknown {
  try {
    return JSON.parse(name)
  } catch {
    return undefined
  }
}
