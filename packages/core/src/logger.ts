/** Failures of background work in a host's log: those that nobody waits for, so that nobody would hear of them. */

import { type Clock, systemClock } from './clock.js'
import { combineObservers, type Observer } from './observer.js'

/** Where lines for operators go: `console`, a logger of pino or winston, or anything else with this method. */
export interface Logger {
  warn(line: string): void
}

/** How often the same failure is written. */
const AGAIN_MS = 60_000

/** Failures that are told apart; beyond them all others share one line. */
const KINDS_MAX = 256

interface Written {
  atMs: number
  /** How many came since, and were not written. */
  more: number
}

/**
 * Writes each failure of background work in one line with source, code and message: the first of its source and code at
 * once, then one a minute that says how many came in between.
 *
 * @example
 * const observer = loggingObserver(console)
 */
export function loggingObserver(logger: Logger, clock: Clock = systemClock): Observer {
  const kinds = new Map<string, Written>()
  return {
    backgroundError({ source, code, message }) {
      const nowMs = clock.monotonicMs()
      const name = `${source} ${code}`
      const kind = kinds.has(name) || kinds.size < KINDS_MAX ? name : 'other'
      const written = kinds.get(kind)
      if (written !== undefined && nowMs - written.atMs < AGAIN_MS) {
        written.more += 1
        return
      }
      const more = written?.more ?? 0
      kinds.set(kind, { atMs: nowMs, more: 0 })
      const again = more === 0 ? '' : ` (${more} more since the last line)`
      logger.warn(`K-ERP ${source}: ${code}: ${message.replace(LINE_BREAKS, ' ')}${again}`)
    },
  }
}

const LINE_BREAKS = /[\r\n\u2028\u2029]/g

let defaultLog: Observer | undefined = loggingObserver(console)

const DEFAULT_OBSERVER = combineObservers({
  backgroundError: (observation) => defaultLog?.backgroundError?.(observation),
})

/**
 * Where parts of this process that have no observer write failures of their background work, from now on: `console`
 * unless it is set; `false`: nowhere.
 *
 * @example
 * setDefaultLogger({ warn: (line) => process.stderr.write(`${line}\n`) })
 */
export function setDefaultLogger(logger: Logger | false): void {
  defaultLog = logger === false ? undefined : loggingObserver(logger)
}

/** Whom a part tells: the host's observer; without one its failures of background work go to the default logger. */
export function observerOfPart(observer: Observer | undefined): Observer {
  return observer === undefined ? DEFAULT_OBSERVER : combineObservers(observer)
}
