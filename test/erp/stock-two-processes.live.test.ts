import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { sql } from './erp-database.js'
import { type ErpPair, startPair } from './erp-pair.js'
import { type Answer, fieldOf } from './erp-process.js'

let pair: ErpPair
beforeAll(async () => {
  pair = await startPair(inject('databaseUrl'))
})
afterAll(() => pair.close())

const statuses = (answers: readonly Answer[], status: number): readonly Answer[] =>
  answers.filter((answer) => answer.status === status)

describe('Two processes on one stock', () => {
  it('take the same movement, retried at both, as one: one effect, the same answer, also after goods ran out', async () => {
    for (let round = 0; round < 20; round += 1) {
      const place = { item: `same-${round}`, warehouse: 'W1' }
      await pair.toBoth('/stock/adjust', 1, () => ({ movementId: `in-${round}`, ...place, quantity: '5' }))
      const body = { movementId: `out-${round}`, ...place, quantity: '-5' }
      const answers = await pair.toBoth('/stock/adjust', 8, () => body)
      expect(statuses(answers, 200)).toHaveLength(8)
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      expect(answers[0]?.body).toEqual({ ...place, quantity: '0', version: 2 })
      const [later] = await pair.toBoth('/stock/adjust', 1, () => body)
      expect(later?.text).toBe(answers[0]?.text)
    }
  })

  it('never sell the last goods twice, neither at once nor by reservation', async () => {
    for (let round = 0; round < 20; round += 1) {
      const place = { item: `last-${round}`, warehouse: 'W2' }
      await pair.toBoth('/stock/adjust', 1, () => ({
        movementId: `last-in-${round}`,
        ...place,
        quantity: '1',
      }))
      const sold =
        round % 2 === 0
          ? await pair.toBoth('/stock/adjust', 8, (index) => ({
              movementId: `last-out-${round}-${index}`,
              ...place,
              quantity: '-1',
            }))
          : await pair.toBoth('/stock/reserve', 8, (index) => ({
              reservationId: `last-${round}-${index}`,
              ttlSeconds: 600,
              lines: [{ ...place, quantity: '1' }],
            }))
      expect([statuses(sold, 200).length, statuses(sold, 409).length]).toEqual([1, 7])
      for (const { body } of statuses(sold, 409)) {
        expect(fieldOf(body, 'error')).toMatchObject({
          code: 'INSUFFICIENT_STOCK',
          shortages: [{ available: '0' }],
        })
      }
    }
  })

  it('send goods to and fro at once, and none are lost', async () => {
    await pair.toBoth('/stock/adjust', 1, () => ({
      movementId: 'fro-in',
      item: 'fro',
      warehouse: 'W1',
      quantity: '10',
    }))
    await pair.toBoth('/stock/transfer', 120, (index) => {
      const [from, to] = index % 2 === 0 ? ['W1', 'W2'] : ['W2', 'W1']
      return { movementId: `fro-${index >> 1}-${from}`, item: 'fro', from, to, quantity: '3' }
    })
    const [total] = await sql(
      pair.databaseUrl,
      `SELECT sum(on_hand)::text AS thousandths FROM kerp.stock WHERE item = 'fro'`,
    )
    expect(total?.['thousandths']).toBe('10000')
  })

  it('see each other’s movements, and both audits hold', async () => {
    const [here, there] = pair.clients
    await here.post('/stock/adjust', {
      movementId: 'seen',
      item: 'seen',
      warehouse: 'W1',
      quantity: '0.001',
    })
    await expect
      .poll(async () => fieldOf((await there.get('/stock?item=seen')).body, 'stock', 0, 'quantity'), {
        timeout: 20_000,
      })
      .toBe('0.001')
    for (const client of pair.clients) expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
  })
})

describe('The audit', () => {
  const failed = (answer: Answer): readonly unknown[] =>
    (fieldOf(answer.body, 'lines') as readonly unknown[]).filter((line) => fieldOf(line, 'ok') === false)

  it('fails when a cached figure was changed behind its back', async () => {
    const [client] = pair.clients
    const key = 'inventory:{c1}:cached:W1'
    const peek = pair.redis.client()
    await client.post('/stock/adjust', { movementId: 'c', item: 'cached', warehouse: 'W1', quantity: '5' })
    let register = ''
    const audit = async (): Promise<unknown> => {
      await client.get('/stock?item=cached')
      register = (await peek.get(key)) ?? ''
      // Whatever voids the register meanwhile has it loaded, and forged, once more.
      if (!register.endsWith('|5000|0')) return 'not cached'
      await peek.set(key, register.replace(/\|5000\|0$/, '|6000|0'))
      return failed(await client.get('/audit'))
    }
    await expect
      .poll(audit, { timeout: 20_000 })
      .toEqual([expect.objectContaining({ name: 'every cached stock figure = its row', differences: 1 })])
    await peek.set(key, register)
    peek.disconnect()
  })

  it('fails when a movement, or one side of a transfer, was changed in the database', async () => {
    const [client] = pair.clients
    await client.post('/stock/adjust', {
      movementId: 'f-in',
      item: 'forged',
      warehouse: 'W1',
      quantity: '5',
    })
    const body = { movementId: 'f', item: 'forged', from: 'W1', to: 'W2', quantity: '2' }
    await client.post('/stock/transfer', body)
    await sql(
      pair.databaseUrl,
      `SET session_replication_role = replica; UPDATE kerp.stock_line
       SET on_hand_change = 3000, on_hand_after = 3000 WHERE item = 'forged' AND warehouse = 'W2'`,
    )
    expect(failed(await client.get('/audit'))).toEqual([
      expect.objectContaining({ name: 'every stock figure = Σ of its movements and ≥ 0' }),
      expect.objectContaining({ name: 'transfers conserve', differences: 1 }),
    ])
  })
})
