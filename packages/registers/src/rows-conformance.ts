/** What rows must do to be cached, as tests: for a host that implements `RegisterSource` and `OutboxSource` itself. */

import { deepEqual, equal, ok } from 'node:assert/strict'
import {
  AMOUNT_DIGITS_MAX,
  type InvalidationLog,
  type OutboxRow,
  type OutboxSource,
  type RegisterImages,
  type RegisterRef,
  type RegisterSource,
  systemRandom,
} from '@kerp/core'
import type { DeclareTest } from '@kerp/core/testing'

/** What is added to debit and credit, by account. */
type Changes = Readonly<Record<string, readonly [debit: bigint, credit: bigint]>>

/** Rows that are to be cached, and how a test changes them. */
export interface RowsUnderTest {
  readonly source: RegisterSource
  readonly outbox: OutboxSource
  readonly invalidations: InvalidationLog
  /**
   * Adds to accounts of a year in one transaction, as the host's posting does, and answers the rows as they then stand. It
   * may write other accounts as well, which are not in the answer.
   */
  commit(companyId: string, changes: Changes, fiscalYear: number): Promise<RegisterImages>
  /** The largest amount that a column holds, in minor units. @defaultValue 38 digits */
  readonly amountMax?: bigint | undefined
}

/** A suite for rows. */
export interface RowsConformance {
  readonly test: DeclareTest
  /** Called by each test; may answer the same rows again, as each test takes a company of its own. */
  readonly open: () => RowsUnderTest | Promise<RowsUnderTest>
}

const YEAR = 2026
const ROWS_MAX = 1_000

/**
 * Declares the tests.
 *
 * @example
 * // import { test } from 'vitest'
 * const test = (title: string) => title // of your runner
 * const database = new MemoryDatabase()
 * rowsConform({
 *   test,
 *   open: () => ({
 *     source: database, outbox: database, invalidations: database,
 *     commit: async (companyId, changes, year) => database.commit(companyId, changes, year),
 *   }),
 * })
 */
export function rowsConform({ test, open }: RowsConformance): void {
  const declare = (title: string, run: (world: World) => Promise<void>): void =>
    void test(title, async () => run(new World(await open())))
  loads(declare)
  bounds(declare)
  lists(declare)
  changes(declare)
  controls(declare)
  pages(declare)
}

type Declare = (title: string, run: (world: World) => Promise<void>) => void

/** Rows, and a company that nobody else has. */
class World {
  readonly companyId = freshCompany()

  constructor(readonly rows: RowsUnderTest) {}

  get amountMax(): bigint {
    return this.rows.amountMax ?? 10n ** BigInt(AMOUNT_DIGITS_MAX) - 1n
  }

  ref(account: string, year = YEAR, companyId = this.companyId): RegisterRef {
    return { companyId, family: 'balance', parts: [account, String(year)] }
  }

  commit(changed: Changes, year = YEAR, companyId = this.companyId): Promise<RegisterImages> {
    return this.rows.commit(companyId, changed, year)
  }

  /** Version and fields of accounts. */
  async states(...accounts: readonly string[]): Promise<readonly unknown[]> {
    const refs = accounts.map((account) => this.ref(account))
    const { images } = await this.rows.source.load(this.companyId, refs)
    deepEqual(
      images.map(({ ref }) => ref),
      refs,
    )
    return images.map(({ version, fields }) => [version, ...fields])
  }

  /** Versions and first fields of this company's images, in order, by account. */
  seen(rows: readonly OutboxRow[]): ReadonlyMap<string, readonly (readonly [number, string])[]> {
    const seen = new Map<string, (readonly [number, string])[]>()
    for (const { companyId, change } of rows) {
      if (companyId !== this.companyId || change.kind !== 'image') continue
      const { ref, version, fields } = change.image
      seen.set(ref.parts[0], [...(seen.get(ref.parts[0]) ?? []), [version, fields[0]]])
    }
    return seen
  }
}

function loads(declare: Declare): void {
  declare('a committed row is loaded as the commit answered it, to the last digit', async (world) => {
    const { epoch, images } = await world.commit({ a: [world.amountMax, 0n], b: [0n, world.amountMax] })
    const refs = images.map(({ ref }) => ref)
    const loaded = await world.rows.source.load(world.companyId, refs)
    deepEqual(loaded.images, images)
    equal(loaded.epoch, epoch)
    equal(images.find(({ ref }) => ref.parts[0] === 'a')?.fields[0], String(world.amountMax))
  })

  declare(
    'each ref has its image, in the order asked for, and a row that never was is zero',
    async (world) => {
      await world.commit({ a: [5n, 1n], b: [7n, 2n] })
      const [b, none, a, again] = await world.states('b', 'none', 'a', 'b')
      deepEqual([none, again], [[0, '0', '0'], b])
      deepEqual(
        [a, b].map((state) => (state as unknown[]).slice(1)),
        [
          ['5', '1'],
          ['7', '2'],
        ],
      )
      deepEqual((await world.rows.source.load(world.companyId, [])).images, [])
    },
  )

  declare('each change of a row raises its version by one', async (world) => {
    const first = (await world.commit({ a: [1n, 0n] })).images[0]?.version ?? 0
    for (let change = 1; change <= 3; change += 1) {
      equal((await world.commit({ a: [1n, 0n] })).images[0]?.version, first + change)
    }
    deepEqual(await world.states('a'), [[first + 3, '4', '0']])
  })

  declare('changes of one row at once are all counted', async (world) => {
    const first = (await world.commit({ a: [1n, 0n] })).images[0]?.version ?? 0
    const answers = await Promise.all(Array.from({ length: 8 }, () => world.commit({ a: [1n, 0n] })))
    const versions = answers.map(({ images }) => images[0]?.version ?? 0).sort((x, y) => x - y)
    deepEqual(
      versions,
      Array.from({ length: 8 }, (_, index) => first + index + 1),
    )
    deepEqual(await world.states('a'), [[first + 8, '9', '0']])
  })
}

function bounds(declare: Declare): void {
  declare('rows of another company or year are not mixed in', async (world) => {
    const other = freshCompany()
    await world.commit({ a: [5n, 0n] })
    await world.commit({ a: [7n, 0n] }, YEAR, other)
    await world.commit({ a: [9n, 0n] }, YEAR - 1)
    const refs = [world.ref('a'), world.ref('a', YEAR - 1), world.ref('a', YEAR - 2)]
    const { images } = await world.rows.source.load(world.companyId, refs)
    deepEqual(
      images.map(({ fields }) => fields[0]),
      ['5', '9', '0'],
    )
    const theirs = await world.rows.source.load(other, [world.ref('a', YEAR, other)])
    equal(theirs.images[0]?.fields[0], '7')
  })

  declare('a thousand rows come in one call', async (world) => {
    await world.commit({ a: [5n, 0n] })
    const refs = Array.from({ length: ROWS_MAX }, (_, index) => world.ref(index === 500 ? 'a' : `n${index}`))
    const { images } = await world.rows.source.load(world.companyId, refs)
    deepEqual(
      images.map(({ fields }) => fields[0]),
      refs.map((_, index) => (index === 500 ? '5' : '0')),
    )
  })
}

function lists(declare: Declare): void {
  declare('rows are listed page by page in one order, each once, of one year or of all', async (world) => {
    const accounts = ['b', 'A', 'a', '10', '9']
    for (const year of [YEAR - 1, YEAR]) {
      for (const account of accounts) await world.commit({ [account]: [1n, 0n] }, year)
    }
    const all = await listed(world, accounts, undefined)
    deepEqual([...all].sort(), accounts.flatMap((name) => [`${name}/2025`, `${name}/2026`]).sort())
    deepEqual(await listed(world, accounts, undefined), all)
    const year = await listed(world, accounts, '2025')
    deepEqual([...year].sort(), accounts.map((name) => `${name}/2025`).sort())
  })
}

async function listed(
  { rows, companyId }: World,
  accounts: readonly string[],
  secondPart: string | undefined,
): Promise<readonly string[]> {
  const names: string[] = []
  let after: RegisterRef | undefined
  for (;;) {
    const { images } = await rows.source.list({
      companyId,
      family: 'balance',
      limit: 2,
      ...(secondPart === undefined ? {} : { secondPart }),
      ...(after === undefined ? {} : { after }),
    })
    const wanted = images.filter(({ ref }) => accounts.includes(ref.parts[0]))
    names.push(...wanted.map(({ ref }) => ref.parts.join('/')))
    after = images.at(-1)?.ref
    if (images.length < 2) return names
  }
}

function changes(declare: Declare): void {
  declare('a first look at the outbox has no rows, and a position to go on from', async (world) => {
    await world.commit({ a: [1n, 0n] })
    const { rows, target, epoch } = await world.rows.outbox.tick({ limit: 10 })
    deepEqual(rows, [])
    ok(target !== '' && !/[|>#]/.test(target), `the position ${target} has none of | > #`)
    equal(epoch, (await world.rows.source.load(world.companyId, [])).epoch)
  })

  declare(
    'the next look has what was committed since, once, each row in the order of its versions',
    async (world) => {
      const { outbox } = world.rows
      const { target: after } = await outbox.tick({ limit: 1 })
      const committed = [
        await world.commit({ a: [5n, 0n], b: [0n, 5n] }),
        await world.commit({ a: [7n, 0n] }),
      ]
      const tick = await outbox.tick({ after, limit: ROWS_MAX })
      const seen = world.seen(tick.rows)
      const [versions, last] = [(seen.get('a') ?? []).map(([version]) => version), committed[1]?.images[0]]
      deepEqual(
        versions,
        [...new Set(versions)].sort((x, y) => x - y),
      )
      deepEqual(seen.get('a')?.at(-1), [last?.version, '12'])
      deepEqual(seen.get('b')?.at(-1), [
        committed[0]?.images.find(({ ref }) => ref.parts[0] === 'b')?.version,
        '0',
      ])
      const again = await outbox.tick({ after: tick.target, limit: ROWS_MAX })
      equal(world.seen(again.rows).size, 0)
    },
  )

  declare('a position covers those before it, and not those after it', async (world) => {
    const { outbox } = world.rows
    const { target: before } = await outbox.tick({ limit: 1 })
    await world.commit({ a: [1n, 0n] })
    const { target: after } = await outbox.tick({ limit: 1 })
    const covered = [outbox.covers(after, before), outbox.covers(before, after), outbox.covers(after, after)]
    deepEqual(covered, [true, false, true])
  })

  declare('every company that was ever changed is listed once', async (world) => {
    await world.commit({ a: [1n, 0n] })
    await world.commit({ a: [1n, 0n] })
    const companies = await world.rows.outbox.companies()
    equal(companies.filter((company) => company === world.companyId).length, 1)
  })
}

function controls(declare: Declare): void {
  declare('an invalidation stands between the changes before it and after it', async (world) => {
    const { outbox, invalidations } = world.rows
    const { target: after } = await outbox.tick({ limit: 1 })
    await world.commit({ a: [1n, 0n] })
    await invalidations.invalidate(world.ref('a'))
    await invalidations.invalidateAll(world.companyId)
    await world.commit({ b: [1n, 0n] })
    const { rows } = await outbox.tick({ after, limit: ROWS_MAX })
    const kinds = rows
      .filter(({ companyId }) => companyId === world.companyId)
      .map(({ change }) => change.kind)
    const middle = kinds.slice(kinds.indexOf('invalidate'), kinds.lastIndexOf('invalidateAll') + 1)
    deepEqual(middle, ['invalidate', 'invalidateAll'])
    deepEqual([kinds[0], kinds.at(-1)], ['image', 'image'])
  })

  declare('listening for commits can be ended', async (world) => {
    const listener = await world.rows.outbox.onWake(() => undefined)
    await world.commit({ a: [1n, 0n] })
    await listener.close()
  })
}

function pages(declare: Declare): void {
  declare(
    'a backlog is read page by page inside its first target, although writing goes on',
    async (world) => {
      const { outbox } = world.rows
      const { target: after } = await outbox.tick({ limit: 1 })
      for (let change = 0; change < 5; change += 1) await world.commit({ a: [1n, 0n], b: [0n, 1n] })
      const { target } = await outbox.tick({ after, limit: 1 })
      await world.commit({ a: [100n, 0n] })
      const read: OutboxRow[] = []
      for (;;) {
        const query = { after, target, afterId: read.at(-1)?.id ?? '0', limit: 3, companyId: world.companyId }
        const { rows } = await outbox.page(query)
        ok(
          rows.every(({ companyId }) => companyId === world.companyId),
          'only rows of the company asked for',
        )
        read.push(...rows)
        if (rows.length < 3) break
      }
      equal(new Set(read.map(({ id }) => id)).size, read.length)
      const seen = world.seen(read)
      deepEqual([seen.get('a')?.at(-1)?.[1], seen.get('b')?.at(-1)?.[1]], ['5', '0'])
      const rest = await outbox.tick({ after: target, limit: ROWS_MAX })
      deepEqual(world.seen(rest.rows).get('a')?.at(-1)?.[1], '105')
    },
  )
}

function freshCompany(): string {
  return `t-${systemRandom.hex(6)}`
}
