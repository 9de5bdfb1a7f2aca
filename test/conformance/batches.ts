/** What every driver of durable batches must do, on whatever it distributes chunks with. */

import { randomBytes } from 'node:crypto'
import { type BatchLedger, type BatchRun, InvalidInputError, sleep, systemClock } from '@kerp/core'
import { ChunkLedger, type Queryable } from '@kerp/postgres'
import { type BatchDriver, Batches, type BatchesOptions, type BatchPage } from '@kerp/worker-pool'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'
import {
  employeeId,
  ledgerWith,
  PAYMENT_TABLES,
  payBatch,
  type PayOptions,
  totalsOfPaid,
} from '../worker-pool/paying.js'

/** Makes the driver of one process; `queue` names what the processes of one test share. */
export type MakeDriver = (queue: string) => BatchDriver

const PATIENCE_MS = 20_000

const ids = (from: number, length: number): string[] =>
  Array.from({ length }, (_, index) => employeeId(from + index))

class Lost extends InvalidInputError {
  override readonly retryable = true
}

/** Runs the suite. */
export function batchConformance(makeDriver: MakeDriver): void {
  let own: OwnDatabase
  let ledger: ChunkLedger
  const open: Batches<Queryable>[] = []
  beforeAll(async () => {
    own = await ownDatabase(inject('databaseUrl'))
    await own.pool.query(PAYMENT_TABLES)
    ledger = new ChunkLedger({ pool: own.pool })
  })
  afterEach(async () => {
    for (const batches of open.splice(0)) await batches.close()
  })
  afterAll(() => own.close())

  /** A company of its own, and processes that work for it. */
  function office(payOptions: PayOptions = {}, employees = 95) {
    const companyId = `c${randomBytes(5).toString('hex')}`
    const params = { companyId, month: '2026-06', employees }
    const batch = payBatch(payOptions)
    const process = (options: Partial<BatchesOptions<Queryable>> = {}): Batches<Queryable> => {
      const batches = new Batches({ ledger, batches: [batch], driver: makeDriver(companyId), ...options })
      open.push(batches)
      batches.work()
      return batches
    }
    const start = (batches: Batches<Queryable>) => batches.start(batch, params)
    return { companyId, params, batch, process, start }
  }

  async function payments(companyId: string): Promise<readonly string[]> {
    const { rows } = await own.pool.query<{ employee: string }>(
      'SELECT p.employee FROM payment p WHERE p.company = $1 ORDER BY p.employee',
      [companyId],
    )
    return rows.map(({ employee }) => employee)
  }

  async function paydays(companyId: string): Promise<number> {
    return Number(await own.one('SELECT count(*)::text FROM payday WHERE company = $1', [companyId]))
  }

  /** What the run says of its payments is what the payments say. */
  async function expectTotals(companyId: string): Promise<void> {
    const run = await ledger.read({ companyId, runId: `pay/${companyId}/2026-06` })
    const paid = await own.one('SELECT sum(amount)::text FROM payment WHERE company = $1', [companyId])
    expect(run?.totals).toEqual(totalsOfPaid(BigInt(String(paid))))
  }

  async function expectEachOnce(companyId: string, employees: number): Promise<void> {
    await expectTotals(companyId)
    expect(await payments(companyId)).toEqual(Array.from({ length: employees }, (_, n) => employeeId(n)))
    expect(await paydays(companyId)).toBe(1)
  }

  /** Fails the test rather than hanging. */
  function endedInTime(ended: Promise<BatchRun>): Promise<BatchRun> {
    const late = sleep(systemClock, PATIENCE_MS).then(() => {
      throw new Error('the run did not end')
    })
    return Promise.race([ended, late])
  }

  describe('Every item of a run has its effect once', () => {
    it('and the run ends as done, with counts that add up', async () => {
      const { companyId, process, start } = office()
      const run = await start(process())
      expect(run).toMatchObject({ runId: `pay/${companyId}/2026-06`, isNew: true })
      const ended = await endedInTime(run.ended())
      expect(ended).toMatchObject({ state: 'done', items: 95, itemsDone: 95, itemsFailed: 0, chunksDone: 10 })
      await expectEachOnce(companyId, 95)
    })

    it('also a run without items', async () => {
      const { companyId, process, start } = office({}, 0)
      const ended = await endedInTime((await start(process())).ended())
      expect(ended).toMatchObject({ state: 'done', items: 0, totals: {} })
      expect(await paydays(companyId)).toBe(1)
    })

    it('when it is started again, by anybody, it is the same run', async () => {
      const { companyId, process, start } = office()
      const [one, other] = [process(), process()]
      const runs = await Promise.all([start(one), start(other), start(one)])
      expect(runs.filter(({ isNew }) => isNew)).toHaveLength(1)
      await endedInTime(runs[1].ended())
      const later = await start(other)
      expect(later.isNew).toBe(false)
      expect((await later.read()).state).toBe('done')
      await expectEachOnce(companyId, 95)
    })

    it('when several processes work on it', async () => {
      const { companyId, process, start } = office({ pay: () => sleep(systemClock, 1).then(() => 5n) }, 300)
      const [first] = [process(), process(), process()]
      await endedInTime((await start(first)).ended())
      await expectEachOnce(companyId, 300)
    })

    it('when a worker claims a chunk and is never heard of again', async () => {
      const { companyId, process, start } = office({}, 40)
      let claimed = false
      const silent = new Promise<never>(() => undefined)
      const dies: Partial<BatchLedger<Queryable>> = {
        claim: async (ref, claim) => {
          const chunk = await ledger.claim(ref, { ...claim, leaseMs: 300 })
          claimed ||= chunk !== undefined
          return chunk === undefined ? undefined : silent
        },
      }
      const deaf = process({ ledger: ledgerWith(ledger, dies) })
      const run = await start(deaf)
      await expect.poll(() => claimed, { timeout: PATIENCE_MS }).toBe(true)
      process({ leaseMs: 300 })
      await endedInTime(run.ended())
      await expectEachOnce(companyId, 40)
      // Its promises never settle.
      open.splice(open.indexOf(deaf), 1)
      void deaf.close(1)
    })

    it('when work outlasts its lease and is done by two', async () => {
      // The first worker of a chunk waits for the second, so each item is certainly computed twice. There are
      // more workers than that takes.
      const begun = new Map<string, number>()
      const payTwice = async (employee: string): Promise<bigint> => {
        begun.set(employee, (begun.get(employee) ?? 0) + 1)
        await expect.poll(() => begun.get(employee), { timeout: PATIENCE_MS }).toBeGreaterThan(1)
        return 1n
      }
      const { companyId, process, start } = office({ chunkItems: 5, pay: payTwice }, 10)
      const cannotRenew = ledgerWith<Queryable>(ledger, { extend: () => Promise.resolve([]) })
      const options = { ledger: cannotRenew, leaseMs: 100 }
      const [first] = [process(options), process(options)]
      await endedInTime((await start(first)).ended())
      await expectEachOnce(companyId, 10)
    })

    it('when the answers to commits are lost, and they are sent again', async () => {
      const { companyId, process, start } = office()
      const answers: string[] = []
      const twice: Partial<BatchLedger<Queryable>> = {
        async commit(chunk, outcomes, effects) {
          const first = await ledger.commit(chunk, outcomes, effects)
          answers.push(first, await ledger.commit(chunk, outcomes, effects))
          return first
        },
      }
      await endedInTime((await start(process({ ledger: ledgerWith(ledger, twice) }))).ended())
      expect(new Set(answers)).toEqual(new Set(['committed']))
      await expectEachOnce(companyId, 95)
    })

    it('when its process is closed in the middle and another goes on', async () => {
      const { companyId, process, start } = office({ pay: () => sleep(systemClock, 3).then(() => 1n) }, 300)
      const first = process()
      const run = await start(first)
      await expect
        .poll(async () => (await run.read()).chunksDone, { timeout: PATIENCE_MS })
        .toBeGreaterThan(2)
      await first.close()
      expect((await run.read()).state).toBe('running')
      process()
      await endedInTime(run.ended())
      await expectEachOnce(companyId, 300)
    })
  })

  describe('An item that fails', () => {
    it('is tried again when its error says so', async () => {
      let failures = 2
      const { companyId, process, start } = office({
        async pay() {
          await Promise.resolve()
          if (failures > 0) {
            failures -= 1
            throw new Lost('bank', 'there', undefined)
          }
          return 7n
        },
      })
      expect((await endedInTime((await start(process())).ended())).state).toBe('done')
      await expectEachOnce(companyId, 95)
    })

    it('is listed with its code; the others are paid, the run fails, and a retry pays the rest', async () => {
      let broken = true
      const { companyId, process, start } = office({
        pay(employee) {
          if (broken && employee.endsWith('3')) throw new InvalidInputError('account', 'open', employee)
          return 7n
        },
      })
      const run = await start(process())
      expect(await endedInTime(run.ended())).toMatchObject({
        state: 'failed',
        itemsDone: 85,
        itemsFailed: 10,
      })
      expect(await paydays(companyId)).toBe(0)
      const failures = await run.failures({ limit: 100 })
      expect(failures).toHaveLength(10)
      expect(failures[0]).toMatchObject({ itemId: employeeId(3), code: 'INVALID_INPUT' })
      expect(await run.failures({ after: employeeId(73), limit: 5 })).toHaveLength(2)
      broken = false
      expect((await run.retryFailed()).state).toBe('running')
      expect(await endedInTime(run.ended())).toMatchObject({ state: 'done', itemsDone: 95, itemsFailed: 0 })
      await expectEachOnce(companyId, 95)
    })

    it('does not keep the run from its end when so many may fail', async () => {
      const { process, start } = office({
        failuresMax: 1,
        pay(employee) {
          if (employee === employeeId(4)) throw new InvalidInputError('account', 'open', employee)
          return 7n
        },
      })
      const run = await start(process())
      expect(await endedInTime(run.ended())).toMatchObject({ state: 'done', itemsDone: 94, itemsFailed: 1 })
      await expect(run.retryFailed()).rejects.toMatchObject({ code: 'BATCH_RUN_STATE' })
    })

    it('because the database refuses its effect keeps no other from being paid', async () => {
      const { companyId, process, start } = office({
        pay: (employee) => (employee === employeeId(17) ? 1_000_000n : 7n),
      })
      const run = await start(process())
      expect(await endedInTime(run.ended())).toMatchObject({ itemsDone: 94, itemsFailed: 1 })
      expect(await run.failures({ limit: 9 })).toMatchObject([{ itemId: employeeId(17), code: 'SQL_23514' }])
      await expectTotals(companyId)
      expect(await payments(companyId)).toHaveLength(94)
    })

    it('with too many others stops the run at once', async () => {
      const { companyId, process, start } = office(
        {
          stopAfterFailures: 5,
          pay: () => {
            throw new InvalidInputError('account', 'open', 0)
          },
        },
        2_000,
      )
      const run = await start(process())
      const ended = await endedInTime(run.ended())
      expect(ended).toMatchObject({ state: 'failed', itemsDone: 0 })
      expect(ended.chunksDone).toBeLessThan(ended.chunks)
      expect(await payments(companyId)).toEqual([])
    })
  })

  describe('A run', () => {
    it('that is cancelled has no further effect, and goes on from there when it is taken up', async () => {
      let goOn: () => void = () => undefined
      const held = new Promise<void>((resolve) => (goOn = resolve))
      // What comes later is worked on when the run is cancelled.
      const pay = (employee: string): Promise<bigint> =>
        (employee < employeeId(100) ? Promise.resolve() : held).then(() => 1n)
      const { companyId, process, start } = office({ pay }, 300)
      const run = await start(process())
      await expect
        .poll(async () => (await run.read()).chunksDone, { timeout: PATIENCE_MS })
        .toBeGreaterThan(1)
      expect((await run.cancel()).state).toBe('cancelled')
      const paid = (await payments(companyId)).length
      goOn()
      await sleep(systemClock, 300)
      expect(await payments(companyId)).toHaveLength(paid)
      expect(paid).toBeLessThan(300)
      await run.resume()
      expect((await endedInTime(run.ended())).state).toBe('done')
      await expectEachOnce(companyId, 300)
    })

    it('reads its source page by page, and no further than it must', async () => {
      const pages: number[] = []
      const { process, start } = office({ onPage: (length) => pages.push(length) }, 95)
      await endedInTime((await start(process({ pageItems: 30 }))).ended())
      expect(Math.max(...pages)).toBeLessThanOrEqual(30)
      expect(pages.length).toBeGreaterThanOrEqual(4)
    })

    it('is of its key alone: names that only look alike when they are joined are two runs, and each pays', async () => {
      const companyId = `c${randomBytes(5).toString('hex')}`
      const splitAt = (month: string): readonly string[] => month.split('+')
      const idempotencyKeys: string[] = []
      const batch = payBatch({
        key: ({ month }) => splitAt(month),
        ids: ({ after }) => Promise.resolve(after === undefined ? ['a', 'b/a', '2026-06/a', '%2F'] : []),
        onKey: (key) => idempotencyKeys.push(key),
      })
      const process = new Batches({ ledger, batches: [batch], driver: makeDriver(companyId) })
      open.push(process)
      process.work()
      const months = [
        'sales/eu+2026-06',
        'sales+eu/2026-06',
        'sales+eu+2026-06',
        'sales+eu%2F2026-06',
        'sales+eu',
        'sales+eu+b',
      ]
      const runs = await Promise.all(
        months.map((month) => process.start(batch, { companyId, month, employees: 4 })),
      )
      expect(new Set(runs.map(({ runId }) => runId)).size).toBe(months.length)
      for (const run of runs)
        expect(await endedInTime(run.ended())).toMatchObject({ state: 'done', itemsDone: 4 })
      expect(await payments(companyId)).toHaveLength(4 * months.length)
      expect(new Set(idempotencyKeys).size).toBe(4 * months.length)
    })

    it('is found when it is started again with the same params in another order, and refused with others', async () => {
      const { companyId, process, start, batch, params } = office()
      const one = process()
      await start(one)
      const { month, employees } = params
      expect((await one.start(batch, { employees, month, companyId })).isNew).toBe(false)
      const other = one.start(batch, { ...params, employees: 1 })
      await expect(other).rejects.toMatchObject({
        code: 'BATCH_CONFLICT',
        retryable: false,
        runId: `pay/${companyId}/2026-06`,
      })
      await endedInTime((await start(one)).ended())
      await expectEachOnce(companyId, 95)
    })

    it('that a version before this opened, which did not escape names, is found and goes on with its own keys', async () => {
      const companyId = `c${randomBytes(5).toString('hex')}`
      const idempotencyKeys: string[] = []
      const batch = payBatch({
        key: ({ month }) => month.split('+'),
        ids: ({ after }) => Promise.resolve(after === undefined ? ['a/b', 'c'] : []),
        onKey: (key) => idempotencyKeys.push(key),
      })
      const params = { companyId, month: 'sales/eu+06', employees: 2 }
      const former = `pay/${companyId}/sales/eu/06`
      await ledger.open({ ...batch.opening(params), runId: former })
      await own.pool.query('UPDATE kerp.batch_run SET keys_escaped = false WHERE company = $1', [companyId])
      const process = new Batches({ ledger, batches: [batch], driver: makeDriver(companyId) })
      open.push(process)
      process.work()
      const run = await process.start(batch, params)
      expect([run.runId, run.isNew]).toEqual([former, false])
      await endedInTime(run.ended())
      expect(idempotencyKeys.sort()).toEqual([`${former}/a/b`, `${former}/c`])
      const otherKey = await process.start(batch, { ...params, month: 'sales+eu/06' })
      expect([otherKey.isNew, otherKey.runId]).toEqual([true, `pay/${companyId}/sales/eu%2F06`])
      await expect(process.start(batch, { ...params, employees: 3 })).rejects.toMatchObject({
        code: 'BATCH_CONFLICT',
      })
      const takenId = process.start(batch, { ...params, month: 'sales+eu+06' })
      await expect(takenId).rejects.toMatchObject({ code: 'BATCH_CONFLICT', runId: former })
      await endedInTime(otherKey.ended())
      expect(await payments(companyId)).toHaveLength(4)
    })

    it.each<readonly [string, (page: BatchPage) => unknown]>([
      [
        'has an id on two pages',
        ({ after, limit }) => ids(after === undefined ? 1 : Number(after.slice(1)), limit),
      ],
      ['has an id twice on a page', () => [employeeId(1), employeeId(2), employeeId(1)]],
      ['answers the same page for ever', ({ limit }) => ids(1, limit)],
      ['answers more than was asked for', ({ limit }) => ids(1, limit + 1)],
      ['answers no list', () => ({ rows: [] })],
      ['answers ids that are none', () => [employeeId(1), 2]],
      [
        'says that it never will',
        () => Promise.reject(new InvalidInputError('month', 'one that was', '2026-06')),
      ],
    ])('whose source %s ends as failed, and can be taken up', async (_, source) => {
      let broken = true
      const { companyId, process, start } = office({
        ids: async (page) => {
          const from = page.after === undefined ? 0 : Number(page.after.slice(1)) + 1
          const right = ids(from, Math.max(0, Math.min(page.limit, 95 - from)))
          return (broken ? await source(page) : right) as readonly string[]
        },
      })
      const run = await start(process({ pageItems: 30 }))
      const ended = await endedInTime(run.ended())
      expect(ended.state).toBe('failed')
      expect(ended.failureCode).toMatch(/^(BATCH_SOURCE_INVALID|INVALID_INPUT)$/)
      expect(new Set(await payments(companyId)).size).toBe((await payments(companyId)).length)
      broken = false
      await run.resume()
      expect((await endedInTime(run.ended())).state).toBe('done')
      expect(new Set(await payments(companyId)).size).toBe((await payments(companyId)).length)
    })

    it('knows the ids of all its pages, also of those that a version before this planned', async () => {
      const { companyId, batch, params } = office()
      const { run } = await ledger.open(batch.opening(params))
      const page = (from: number, after: string | undefined, isLast = false) =>
        ledger.plan(run, { after, itemIds: ids(from, 10), isLast })
      expect(await page(0, undefined)).toBe('planned')
      expect(await page(10, employeeId(9))).toBe('planned')
      await expect(page(19, employeeId(19))).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'itemIds[0]',
      })
      await expect(page(1, employeeId(19))).rejects.toMatchObject({ field: 'itemIds[0]' })
      // Without a word to the rows that this version keeps.
      await own.pool.query('DELETE FROM kerp.batch_item WHERE company = $1', [companyId])
      await own.pool.query('UPDATE kerp.batch_run SET ids_kept = 10 WHERE company = $1', [companyId])
      await expect(page(11, employeeId(19))).rejects.toMatchObject({ field: 'itemIds[0]' })
      expect(await page(20, employeeId(19), true)).toBe('planned')
      expect(
        await own.one('SELECT count(*)::text FROM kerp.batch_item WHERE company = $1', [companyId]),
      ).toBe('0')
      expect((await ledger.read(run))?.items).toBe(30)
    })

    it('whose source has no end is refused by name', async () => {
      const { process, start } = office({}, 1_000_000)
      const run = await start(process({ itemsMax: 200, pageItems: 100 }))
      expect(await endedInTime(run.ended())).toMatchObject({
        state: 'failed',
        failureCode: 'BATCH_TOO_LARGE',
      })
    })

    it('whose end is refused fails with the code, and has no end', async () => {
      let broken = true
      const { companyId, process, start } = office({
        finish() {
          if (broken) throw new InvalidInputError('voucher', 'balanced', 0)
          return Promise.resolve()
        },
      })
      const run = await start(process())
      expect(await endedInTime(run.ended())).toMatchObject({ state: 'failed', failureCode: 'INVALID_INPUT' })
      expect(await paydays(companyId)).toBe(0)
      broken = false
      await run.resume()
      expect((await endedInTime(run.ended())).state).toBe('done')
      await expectEachOnce(companyId, 95)
    })

    it('is watched with a pace that ends at its total', async () => {
      const { process, start } = office({ pay: () => sleep(systemClock, 2).then(() => 1n) }, 200)
      const run = await start(process())
      const ended: number[] = []
      for await (const progress of run.watch({ everyMs: 20 })) {
        ended.push(progress.ended)
        // With each chunk, not only at the end.
        expect(progress.run.totals['paid'] ?? 0n).toBe(BigInt(progress.ended))
      }
      expect(ended.at(-1)).toBe(200)
      expect(ended).toEqual([...ended].sort((a, b) => a - b))
    })
  })
}
