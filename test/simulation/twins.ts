/** Conformance: the twins of the simulation do what the scripts do, in any state that their keys can be in. */

import { type RedisClient, whenReady } from '@kerp/redis'
import { expect, test } from 'vitest'
import { applyRegisters } from '../../packages/registers/src/apply-registers.lua.js'
import { failLeases } from '../../packages/registers/src/fail-leases.lua.js'
import { fillRegisters } from '../../packages/registers/src/fill-registers.lua.js'
import { installWatermark } from '../../packages/registers/src/install-watermark.lua.js'
import { keepLeases } from '../../packages/registers/src/keep-leases.lua.js'
import { readRegisters } from '../../packages/registers/src/read-registers.lua.js'
import { relayRegisters } from '../../packages/registers/src/relay-registers.lua.js'
import { renewGeneration } from '../../packages/registers/src/renew-generation.lua.js'
import { voidRegisters } from '../../packages/registers/src/void-registers.lua.js'
import type { Backend } from '../conformance/backend.js'
import { freshCompany } from '../support/fresh-company.js'
import { Dice } from './dice.js'
import { parseTwinWatermark, type TwinEntry, TwinRedis } from './script-twins.js'

const GENERATIONS = ['0123456789abcdef', 'fedcba9876543210']
const EPOCHS = ['e1', 'e2']
const POSITIONS = ['5:', '5:3,4', '9:']
const TOKENS = ['p1.1', 'p2.7']
const TTL_MS = 600_000
const SHORT_MS = 60_000
/** What may pass between a call and the look at the times that it left, in ms. */
const LATE_MS_MAX = 30_000

/** The scripts that this suite runs, by the names of their files. */
export const TWINNED = [
  'apply-registers',
  'fail-leases',
  'fill-registers',
  'install-watermark',
  'keep-leases',
  'read-registers',
  'relay-registers',
  'renew-generation',
  'void-registers',
] as const

/** The answer of the twin, and that of the script. */
type Answers = Promise<readonly [unknown, unknown]>

/** One random state, one random script: twin and script must answer, leave and publish the same. */
class Trial {
  readonly #scripts: Record<(typeof TWINNED)[number], () => Answers> = {
    'apply-registers': () => this.#apply(),
    'fail-leases': () => this.#fail(),
    'fill-registers': () => this.#fill(),
    'install-watermark': () => this.#install(),
    'keep-leases': () => this.#keep(),
    'read-registers': () => this.#read(),
    'relay-registers': () => this.#relay(),
    'renew-generation': () => this.#renew(),
    'void-registers': () => this.#void(),
  }
  readonly #company = freshCompany()
  readonly #watermark = `watermark:{${this.#company}}`
  readonly #keys = ['A', 'B', 'C'].map((account) => `balance:{${this.#company}}:${account}:2026`)
  readonly #channel = `channel:{${this.#company}}:registers`
  readonly #published: string[] = []
  readonly #twin = new TwinRedis({
    watermark: this.#watermark,
    now: () => 0,
    publish: (message) => this.#published.push(message),
  })

  constructor(
    readonly backend: Backend,
    readonly dice: Dice,
    readonly ear: RedisClient,
  ) {}

  /** Answers which script was run. */
  async run(): Promise<string> {
    const { dice } = this
    const name = dice.pick(TWINNED)
    const redis = this.backend.client()
    for (const key of [this.#watermark, ...this.#keys]) {
      const text = key === this.#watermark ? this.#drawWatermark() : this.#drawRegister()
      if (text === undefined) continue
      const ttlMs = dice.chance(0.9) || !text.startsWith('L') ? TTL_MS : undefined
      this.#twin.set(key, text, ttlMs)
      await (ttlMs === undefined ? redis.set(key, text) : redis.set(key, text, 'PX', ttlMs))
    }
    const heard: string[] = []
    const ended = new Promise<void>((resolve) => {
      this.ear.on('message', (_channel: string, message: string) => {
        if (message === 'end') resolve()
        else heard.push(message)
      })
    })
    await this.ear.subscribe(this.#channel)
    const [one, other] = await this.#scripts[name]()
    expect(one).toEqual(other)
    await redis.publish(this.#channel, 'end')
    await ended
    this.ear.removeAllListeners('message')
    await this.ear.unsubscribe(this.#channel)
    expect(heard).toEqual(this.#published)
    for (const key of [this.#watermark, ...this.#keys]) await this.#compare(redis, key)
    return name
  }

  async #compare(redis: RedisClient, key: string): Promise<void> {
    expect(await redis.get(key)).toBe(this.#twin.get(key) ?? null)
    const entry = this.#twin.entries.get(key)
    const leftMs = await redis.pttl(key)
    if (entry === undefined || entry.expiresAtMs === Number.POSITIVE_INFINITY) {
      expect(leftMs).toBe(entry === undefined ? -2 : -1)
      return
    }
    expect(leftMs).toBeLessThanOrEqual(entry.expiresAtMs)
    expect(leftMs).toBeGreaterThan(entry.expiresAtMs - LATE_MS_MAX)
  }

  // ── The scripts, each with its twin's answer first ─────────────────────────────────────────────────────────

  async #read(): Answers {
    const token = this.dice.pick(TOKENS)
    const [watermark = '', ...found] = this.#twin.read(this.#keys, token, TTL_MS)
    const outcomes = found.map((text) =>
      text === 'L' ? 'granted' : text === 'W' ? 'leased' : { register: text },
    )
    const reply = await readRegisters.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { token, leaseMs: String(TTL_MS) },
      { moreKeys: this.#keys },
    )
    return [{ watermark: watermark === '' ? undefined : watermark, outcomes }, reply]
  }

  async #apply(): Answers {
    const [epoch, spare] = [this.dice.pick(EPOCHS), this.dice.hex()]
    const entries = this.#drawEntries(false)
    const [status, ...counts] = this.#twin.apply(epoch, spare, entries, TTL_MS)
    const reply = await applyRegisters.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { epoch, spare, channel: this.#channel },
      moreOf(entries),
    )
    return [withCounts(status, counts), reply]
  }

  async #fill(): Answers {
    const [epoch, token, spare] = [this.dice.pick(EPOCHS), this.dice.pick(TOKENS), this.dice.hex()]
    const entries = this.#drawEntries(false)
    const [status, watermark, ...found] = this.#twin.fill(epoch, token, spare, entries, TTL_MS)
    const outcomes = found.map((text) =>
      text === 'F' ? 'stored' : text === 'R' ? 'refused' : { newer: text },
    )
    const reply = await fillRegisters.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { epoch, token, spare, channel: this.#channel },
      moreOf(entries),
    )
    return [status === 'filled' ? { status, watermark, outcomes } : { status }, reply]
  }

  async #keep(): Answers {
    const token = this.dice.pick(TOKENS)
    const kept = this.#twin.keep(this.#keys, token, SHORT_MS)
    const reply = await keepLeases.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { token, leaseMs: String(SHORT_MS) },
      { moreKeys: this.#keys },
    )
    return [kept, reply]
  }

  async #fail(): Answers {
    const [token, failure] = [this.dice.pick(TOKENS), this.dice.pick(['', '!UNEXPECTED'])]
    const marked = this.#twin.fail(this.#keys, token, failure, SHORT_MS)
    const reply = await failLeases.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { token, failure, backoffMs: String(SHORT_MS) },
      { moreKeys: this.#keys },
    )
    return [marked, reply]
  }

  async #relay(): Answers {
    const { dice } = this
    const [epoch, from, to] = [dice.pick(EPOCHS), dice.pick(POSITIONS), dice.pick(POSITIONS)]
    const [asOf, spare, renew] = [dice.pick(['', '77']), dice.hex(), dice.chance(0.2)]
    const entries = this.#drawEntries(true)
    const [status, ...rest] = this.#twin.relay({ epoch, from, to, asOf, spare, renew }, entries, TTL_MS)
    const reply = await relayRegisters.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { epoch, from, to, asOf, spare, renew: renew ? 'invalidateAll' : '', channel: this.#channel },
      moreOf(entries),
    )
    if (status === 'moved') return [{ status, watermark: rest[0] }, reply]
    return [withCounts(status, rest), reply]
  }

  async #install(): Answers {
    const { dice } = this
    const expected = dice.chance(0.7) ? (this.#twin.get(this.#watermark) ?? '') : 'another'
    const watermark = { generation: dice.hex(), epoch: dice.pick(EPOCHS), position: '9:', asOf: '8' }
    const isInstalled = this.#twin.install(expected, watermark)
    const reply = await installWatermark.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { expected, ...watermark, channel: this.#channel },
    )
    return [isInstalled, reply]
  }

  async #renew(): Answers {
    const generation = this.dice.hex()
    const isRenewed = this.#twin.renew(generation)
    const reply = await renewGeneration.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { generation, channel: this.#channel },
    )
    return [isRenewed, reply]
  }

  async #void(): Answers {
    const removed = this.#twin.void(this.#keys)
    const reply = await voidRegisters.run(
      this.backend.client(),
      { watermark: this.#watermark },
      { channel: this.#channel },
      { moreKeys: this.#keys },
    )
    return [removed, reply]
  }

  // ── What may stand there ───────────────────────────────────────────────────────────────────────────────────

  #drawWatermark(): string | undefined {
    const { dice } = this
    if (dice.chance(0.05)) return undefined
    if (dice.chance(0.05)) return dice.pick(['w1|12|e1|5:|3', 'w1|0123456789abcdef|e1|5:', 'nonsense'])
    return `w1|${dice.pick(GENERATIONS)}|${dice.pick(EPOCHS)}|${dice.pick(POSITIONS)}|33`
  }

  #drawRegister(): string | undefined {
    const { dice } = this
    const held = dice.below(10)
    if (held === 0) return undefined
    if (held === 1) return this.#damaged()
    const generation = dice.chance(0.7)
      ? (parseTwinWatermark(this.#twin.get(this.#watermark))?.generation ?? dice.pick(GENERATIONS))
      : dice.pick(GENERATIONS)
    if (held < 6) return `r1|${generation}|${this.#drawImage()}`
    return `L|${generation}|${dice.pick(TOKENS)}|${dice.chance(0.5) ? this.#drawImage() : ''}`
  }

  #damaged(): string {
    return this.dice.pick([
      '',
      'r1|0123456789abcdef|0000000000000003|1',
      'r1|0123456789abcdef|3|1|2',
      'r1|0123456789abcdef|0000000000000003|--1|2',
      'L|0123456789abcdef|p1.1',
      'L|0123456789abcdef||',
      'L|0123456789abcdef|p1.1|0000000000000003|x|2',
      'x'.repeat(60),
    ])
  }

  #drawImage(): string {
    const version = String(this.dice.below(4)).padStart(16, '0')
    return `${version}|${this.dice.pick(['7', '9007199254740993', '-3'])}|${this.dice.below(2)}`
  }

  #drawEntries(withVoids: boolean): TwinEntry[] {
    const keys = this.#keys.slice(0, 1 + this.dice.below(this.#keys.length))
    return keys.map((key) => ({ key, image: withVoids && this.dice.chance(0.2) ? '' : this.#drawImage() }))
  }
}

function moreOf(entries: readonly TwinEntry[]): { readonly moreKeys: string[]; readonly moreArgs: string[] } {
  return {
    moreKeys: entries.map(({ key }) => key),
    moreArgs: entries.flatMap(({ image }) => [image, String(TTL_MS)]),
  }
}

function withCounts(status: unknown, [applied, skipped, pending, absent]: readonly unknown[]): unknown {
  return applied === undefined ? { status } : { status, counts: { applied, skipped, pending, absent } }
}

/** Runs the suite. */
export function twinsConform(backend: Backend): void {
  const trials = process.env['KERP_TEST_FULL'] === '1' ? 5_000 : 300

  test(`on ${backend.name} every script and its twin answer, leave and publish the same in ${trials} random states`, async () => {
    const dice = new Dice(20_260_105)
    const ear = backend.client().duplicate()
    await whenReady(ear, 20_000)
    const run = new Set<string>()
    for (let trial = 0; trial < trials; trial += 1) run.add(await new Trial(backend, dice, ear).run())
    ear.disconnect()
    expect([...run].sort()).toEqual(TWINNED)
  }, 600_000)
}
