/**
 * One load per key at a time: callers that come while it runs share its result.
 *
 * A result may be too old for a caller that must see a later state, so every flight knows its start, and a
 * caller can refuse to join a flight that began before a mark it took.
 */

import { OverloadedError } from './errors.js'

interface Flight<V> {
  readonly begunAt: number
  readonly result: Promise<V>
}

/** A moment of the process, in the order of all flights: of `mark()` or `flightMark()`. */
export type FlightMark = number

let ticks = 0

/** A mark that comes after all flights that have begun, of whatever `SingleFlight`. */
export function flightMark(): FlightMark {
  ticks += 1
  return ticks
}

/** Shares loads in flight by key. At most `flightsMax` run at once; one more is refused with `OVERLOADED`. */
export class SingleFlight<V> {
  readonly #flights = new Map<string, Flight<V>>()
  #running = 0

  constructor(
    private readonly owner: string,
    private readonly flightsMax = 10_000,
  ) {}

  /** How many loads run now. */
  get size(): number {
    return this.#running
  }

  /** A mark for `run`'s `notBefore`: flights begun later than this call may be joined. */
  mark(): FlightMark {
    return flightMark()
  }

  /**
   * Joins the flight of `key`, or starts `load`. A failed load is not remembered: the next call starts anew.
   *
   * @throws {OverloadedError} `OVERLOADED`, retryable, when `flightsMax` loads are running.
   */
  run(key: string, load: () => Promise<V>, notBefore: FlightMark = 0): Promise<V> {
    const current = this.#flights.get(key)
    if (current !== undefined && current.begunAt >= notBefore) return current.result
    // A flight that is too old to join runs on beside its successor, so loads are counted, not keys.
    if (this.#running >= this.flightsMax) {
      return Promise.reject(new OverloadedError(this.owner, 'flightsMax', this.flightsMax))
    }
    this.#running += 1
    const flight: Flight<V> = { begunAt: this.mark(), result: begin(load) }
    this.#flights.set(key, flight)
    const land = (): void => {
      this.#running -= 1
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.result.then(land, land)
    return flight.result
  }
}

async function begin<V>(load: () => Promise<V>): Promise<V> {
  return load()
}
