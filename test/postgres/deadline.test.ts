import { manualClock } from '@kerp/core/testing'
import { Ledger, RegisterRows, StockLedger } from '@kerp/postgres'
import { expect, test } from 'vitest'

/** As the server says that a number was divided by zero. */
const refusal = Object.assign(new Error('division by zero'), { code: '22012', severity: 'ERROR' })

test('a statement that is refused late ends by its deadline, although the server says nothing to the ROLLBACK', async () => {
  const clock = manualClock()
  const released: unknown[] = []
  const client = {
    on: () => undefined,
    removeListener: () => undefined,
    release: (destroy?: boolean | Error) => void released.push(destroy),
    query: ({ text }: { readonly text: string }): Promise<never> =>
      text === 'ROLLBACK'
        ? new Promise(() => undefined)
        : new Promise((_, refuse) => clock.setTimer(900, () => refuse(refusal))),
  }
  const rows = new RegisterRows({
    pool: { connect: () => Promise.resolve(client) },
    clock,
    deadlineMs: 1_000,
  })
  const settled: unknown[] = []
  const ref = { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] } as const
  void rows.load('c1', [ref]).catch((error: unknown) => settled.push(Reflect.get(error as object, 'code')))
  await clock.advance(999)
  expect(settled).toEqual([])
  await clock.advance(1)
  expect(settled).toEqual(['DATABASE_UNSUITABLE'])
  expect(released).toEqual([true])
})

test.each(['Ledger', 'StockLedger'])(
  'a %s whose host’s catalogue never answers refuses by its deadline',
  async (ledger) => {
    const clock = manualClock()
    const pool = { connect: () => new Promise<never>(() => undefined) }
    const catalog = { lookup: () => new Promise<never>(() => undefined) }
    const options = { pool, clock, deadlineMs: 1_000 }
    const lines = [
      { account: '1101', debit: 1n },
      { account: '4101', credit: 1n },
    ]
    const place = { item: 'A', warehouse: 'W1' }
    const asked =
      ledger === 'Ledger'
        ? new Ledger({ ...options, accounts: catalog }).post({
            companyId: 'c1',
            id: 'v1',
            date: '2026-01-05',
            fiscalYear: 2026,
            lines,
          })
        : new StockLedger({ ...options, warehouses: catalog }).adjust({
            companyId: 'c1',
            movementId: 'm1',
            quantity: 1n,
            ...place,
          })
    const settled: unknown[] = []
    void asked.catch((error: unknown) => settled.push(Reflect.get(error as object, 'code')))
    await clock.advance(999)
    expect(settled).toEqual([])
    await clock.advance(1)
    expect(settled).toEqual(['DEADLINE_EXCEEDED'])
  },
)
