/** One row that processes read through a cache while it is committed to: what every contestant is asked to be. */

/** One process of a service. */
export interface RaceProcess {
  read(key: string): Promise<string | undefined>
  /** What the process does after the commit of a change to the row: deletes the entry, or shows the new one. */
  announce(key: string): Promise<unknown>
  close(): Promise<unknown>
}

/** A database, and processes that read it through one Redis. */
export interface RaceWorld {
  readonly redisUrl: string
  /** Loads so far. */
  loads: number
  /** Awaited between the reading of a row and its answer. */
  hesitate: () => Promise<unknown>
  /** Whether loads fail. */
  failing: boolean
  start(): Promise<RaceProcess>
  /** Changes a row; the answer is what everybody must read from now on. */
  commit(key: string): Promise<string>
  close(): Promise<unknown>
}

/** A library with the settings that its documentation gives for several processes. */
export interface Contestant {
  readonly name: string
  /**
   * `patient`: a Redis that answers late because this one process is four is waited for, where that can be said. Without
   * it deadlines are the usual ones.
   */
  open(redisUrl: string, options: { readonly patient: boolean }): Promise<RaceWorld>
}

/** Starts one process of a peer; `load` is the loader that it is given. */
export type StartPeer = (redisUrl: string, load: (key: string) => Promise<string>) => Promise<RaceProcess>

/** Peers load from a map in memory: quicker than any database, and so to their advantage. */
export function inMemory(name: string, startPeer: StartPeer): Contestant {
  return {
    name,
    open(redisUrl) {
      const rows = new Map<string, number>()
      const world: RaceWorld = {
        redisUrl,
        loads: 0,
        hesitate: () => Promise.resolve(),
        failing: false,
        start: () =>
          startPeer(redisUrl, async (key) => {
            world.loads += 1
            const value = String(rows.get(key) ?? 0)
            await world.hesitate()
            if (world.failing) throw new Error('the database is down')
            return value
          }),
        commit(key) {
          const next = (rows.get(key) ?? 0) + 1
          rows.set(key, next)
          return Promise.resolve(String(next))
        },
        close: () => Promise.resolve(),
      }
      return Promise.resolve(world)
    },
  }
}
