/** What a read token asks of an answer, by register key. */

import { InvalidInputError, parseReadToken, type ReadToken, type RegisterRef } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { EpochChangedError, VersionNotReachedError } from './errors.js'
import type { RegisterReading } from './register-reading.js'

/** The demands of one read. */
export class Wanted {
  readonly #epoch: string | undefined
  readonly #versions = new Map<string, number>()

  /** @throws {InvalidInputError} `INVALID_INPUT` for a token that no posting returned. */
  constructor(keys: Keys, token: ReadToken) {
    const { epoch, versions } = parseReadToken(token)
    this.#epoch = epoch
    for (const [name, version] of versions) this.#versions.set(keys.register(refOf(name)), version)
  }

  /** Whether an answer of this history and version is new enough. */
  isMet(key: string, epoch: string, version: number): boolean {
    if (this.#epoch !== undefined && this.#epoch !== epoch) return false
    return version >= (this.#versions.get(key) ?? 0)
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
