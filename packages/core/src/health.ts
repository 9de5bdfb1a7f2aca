/** Health from parts: each part says what is wrong with it, and one report says whether to send requests. */

import type { Clock } from './clock.js'
import { systemClock } from './clock.js'
import { withDeadline } from './retry.js'

/** Something that is not as it should be. */
export interface HealthCause {
  /** `unready`: send no requests · `degraded`: everything answers, but slower or without a safeguard. */
  readonly level: 'unready' | 'degraded'
  readonly cause: string
  /** What an operator does about it. */
  readonly fix?: string | undefined
}

/** Asks one part; an empty list when all is well. It may throw: then the part cannot be asked. */
export type HealthCheck = () => readonly HealthCause[] | Promise<readonly HealthCause[]>

/** What all parts said. Whether a process is *alive* is no question of its parts: do not restart it for these. */
export interface HealthReport {
  readonly ready: boolean
  readonly degraded: boolean
  readonly causes: readonly (HealthCause & { readonly part: string })[]
}

/** How long parts may take. */
export interface HealthOptions {
  /** For each part, in ms. @defaultValue 1_000 */
  readonly deadlineMs?: number | undefined
  readonly clock?: Clock | undefined
}

/**
 * Asks all parts at once. Never throws: a part that fails, or does not answer in time, makes the process unready
 * with a cause that names the part and no more, for errors may quote what they were given.
 *
 * @example
 * const report = await health({ relay: () => [{ level: 'degraded', cause: 'the relay is 9 s behind' }] })
 * report.ready // => true
 * report.causes.length // => 1
 */
export async function health(
  parts: Readonly<Record<string, HealthCheck>>,
  { deadlineMs = 1_000, clock = systemClock }: HealthOptions = {},
): Promise<HealthReport> {
  const asked = Object.entries(parts).map(async ([part, check]) => {
    try {
      const asking = Promise.resolve().then(check)
      const found = await withDeadline(asking, {
        operation: `health of ${part}`,
        deadlineMs,
        outcome: 'notDone',
        clock,
      })
      return found.map((cause) => ({ part, ...cause }))
    } catch {
      return [{ part, level: 'unready' as const, cause: `${part} cannot be asked` }]
    }
  })
  const causes = (await Promise.all(asked)).flat()
  const ready = causes.every(({ level }) => level !== 'unready')
  return { ready, degraded: causes.length > 0, causes }
}
