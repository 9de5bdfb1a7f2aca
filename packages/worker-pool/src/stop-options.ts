/** How a pool is stopped. */

import { type Complete, InvalidInputError, objectInput } from '@kerp/core'
import { checkWhole, TIME_MS_MAX } from './pool-options.js'

/**
 * `drain`: all that was accepted runs · `finishRunning`: what has not begun is returned · `abort`: what has not begun
 * is cancelled, and the signals of what runs abort.
 */
export type StopMode = 'drain' | 'finishRunning' | 'abort'

/** Options of `stop`. */
export interface StopOptions {
  /** @defaultValue 'drain' */
  readonly mode?: StopMode | undefined
  /** From the call to the report, in ms, up to a day; what then still runs is abandoned. @defaultValue 30_000 */
  readonly deadlineMs?: number | undefined
}

/** What a stop needs of a map. */
export interface StoppableMap {
  poolStops(mode: StopMode): void
}

/** From the mildest to the strictest. */
export const STOP_MODES: readonly StopMode[] = ['drain', 'finishRunning', 'abort']

/** @throws {InvalidInputError} `INVALID_INPUT` */
export function resolveStopOptions(options: StopOptions, deadlineMsDefault = 30_000): Complete<StopOptions> {
  const { mode = 'drain', deadlineMs } = objectInput('options', options)
  if (!STOP_MODES.includes(mode)) throw new InvalidInputError('mode', `one of ${STOP_MODES.join(', ')}`, mode)
  const limitMs = deadlineMs ?? deadlineMsDefault
  checkWhole('deadlineMs', limitMs, 0, TIME_MS_MAX)
  return { mode, deadlineMs: limitMs }
}
