/**
 * A world in which processes hold rows in their own memory, and time is moved by hand.
 *
 * Messages can be held back or lost on their way to one process, which is what the in-process tier has to survive.
 */

import { type ManualClock, manualClock } from '@kerp/core/testing'
import { type RedisClient, whenReady } from '@kerp/redis'
import type { LocalTierOptions, OutboxRelay, RegisterReading, Registers } from '@kerp/registers'
import { freshCompany } from '../support/fresh-company.js'
import { stateOf, until, World } from './world.js'

/** What happens to the messages to one process. */
export interface Line {
  /** Holds every message back until `release`. */
  hold(): void
  /** Delivers what was held back, in order. */
  release(): void
  /** Loses the next messages whose text contains `word`. */
  lose(word: string, count: number): void
  /** Interrupts the connection: what comes before the next subscription is lost. */
  cut(): void
  /** Refuses the process's commands from now on, or again no longer; what it hears comes on. */
  refuse(isRefusing: boolean): void
  /** Messages that were delivered. */
  readonly delivered: readonly string[]
}

export const STALENESS_MS = 1_000

/** A process: its registers, and the line on which it hears. */
export interface Process extends AsyncDisposable {
  readonly registers: Registers
  readonly line: Line
  peek(account: string): RegisterReading | undefined
  get(account: string): Promise<RegisterReading>
}

export class LocalWorld extends World {
  readonly clock: ManualClock = manualClock()
  readonly #open: (() => Promise<void>)[] = []

  constructor(redis: RedisClient) {
    super(redis, freshCompany())
  }

  process(options: Partial<Omit<LocalTierOptions, 'positions'>> = {}): Process {
    return this.#process({ positions: this.database, maxStalenessMs: STALENESS_MS, ...options })
  }

  /** A process that holds no rows. */
  bareProcess(): Process {
    return this.#process(undefined)
  }

  #process(localTier: LocalTierOptions | undefined): Process {
    const heard = wiretap(this.redis)
    const registers = this.newRegisters({ redis: heard.redis, clock: this.clock, localTier })
    const close = (): Promise<void> => registers.close()
    this.#open.push(close)
    return {
      registers,
      line: heard.line,
      peek: (account) => registers.peek(this.ref(account)),
      get: (account) => this.get(account, registers),
      [Symbol.asyncDispose]: close,
    }
  }

  /** Reads until the process listens, a relay has told how far it is, and the row is held. */
  async warm(process: Process, account: string): Promise<void> {
    await process.get(account)
    await this.settle()
    for (let round = 0; round < 50 && process.peek(account) === undefined; round += 1) {
      await this.beat()
      await process.get(account)
    }
    if (process.peek(account) === undefined) throw new RangeError('it was not held')
  }

  /** A probe of every process, then a pass of the relay with its heartbeat. */
  async beat(relay: OutboxRelay = this.relay): Promise<void> {
    await this.clock.advance(STALENESS_MS / 5)
    await this.settle()
    await relay.tick()
    await this.settle()
  }

  /** Lets messages arrive: sends one of its own and waits until it has come round. */
  async settle(): Promise<void> {
    const connection = this.redis.duplicate()
    const channel = `settle-${this.companyId}`
    let heard = false
    connection.on('message', () => (heard = true))
    await whenReady(connection, 20_000)
    await connection.subscribe(channel)
    await this.redis.publish(channel, 'now')
    await until(() => heard)
    await connection.unsubscribe(channel)
    connection.removeAllListeners()
    connection.disconnect()
    // The other connections' sockets are read in the same or the next turns of the loop.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setTimeout(resolve, this.redis.isCluster ? 20 : 2))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((close) => close()))
  }
}

/** The source, version and fields of an answer; undefined for none. */
export function seen(reading: RegisterReading | undefined): readonly unknown[] | undefined {
  return reading === undefined ? undefined : stateOf(reading)
}

function wiretap(redis: RedisClient): { redis: RedisClient; line: Line } {
  let isHeld = false
  let isRefusing = false
  const held: (() => void)[] = []
  const losses = new Map<string, number>()
  const delivered: string[] = []
  let interrupt: () => void = () => undefined
  const deliver = (message: string, pass: () => void): void => {
    for (const [word, left] of losses) {
      if (left > 0 && message.includes(word)) {
        losses.set(word, left - 1)
        return
      }
    }
    const arrive = (): void => {
      delivered.push(message)
      pass()
    }
    if (isHeld) held.push(arrive)
    else arrive()
  }
  const listen = (connection: RedisClient): RedisClient =>
    new Proxy(connection, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target)
        if (property !== 'on') return bound(value, target)
        return (event: string, handler: (...args: string[]) => void) => {
          if (event === 'close') interrupt = () => handler()
          if (event !== 'message') return target.on(event, handler)
          return target.on(event, (channel: string, message: string) =>
            deliver(message, () => handler(channel, message)),
          )
        }
      },
    })
  // Over an empty object, for a client does not let its `duplicate` be replaced.
  const wrapped = new Proxy(Object.create(null) as RedisClient, {
    has: (_, property) => property in redis,
    get(_, property) {
      if (property === 'duplicate') return (...args: []) => listen(redis.duplicate(...args))
      if (isRefusing && COMMANDS.has(String(property))) {
        return () => Promise.reject(new Error('Connection is closed.'))
      }
      return bound(Reflect.get(redis, property, redis), redis)
    },
  })
  const line: Line = {
    hold: () => void (isHeld = true),
    release() {
      isHeld = false
      for (const arrive of held.splice(0)) arrive()
    },
    lose: (word, count) => void losses.set(word, count),
    cut: () => interrupt(),
    refuse: (is) => void (isRefusing = is),
    delivered,
  }
  return { redis: wrapped, line }
}

const COMMANDS = new Set(['evalsha', 'eval', 'mget', 'mgetBuffer', 'call', 'sendCommand'])

function bound(value: unknown, target: object): unknown {
  return typeof value === 'function'
    ? (...args: unknown[]): unknown => Reflect.apply(value, target, args)
    : value
}
