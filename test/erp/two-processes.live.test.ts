import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { sql } from './erp-database.js'
import { type ErpPair, startPair } from './erp-pair.js'
import { fieldOf, refusalIn } from './erp-process.js'
import { saleOf } from './vouchers.js'

let pair: ErpPair
beforeAll(async () => {
  pair = await startPair(inject('databaseUrl'))
})
afterAll(() => pair.close())

describe('Two processes on one database', () => {
  it('post the same voucher, sent to both at once, as one: one effect, the same answer', async () => {
    for (let round = 0; round < 20; round += 1) {
      const fiscalYear = 2000 + round
      const answers = await pair.toBoth('/vouchers', 8, () =>
        saleOf(`same-${round}`, '1000', { year: fiscalYear }),
      )
      expect(answers.filter(({ status }) => status === 201).length).toBeLessThanOrEqual(1)
      expect(answers.every(({ status }) => status === 201 || status === 200)).toBe(true)
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      expect(fieldOf(answers[0]?.body, 'balances', 0)).toMatchObject({ balance: '1000', version: 1 })
    }
    const [count] = await sql(pair.databaseUrl, 'SELECT count(*)::text AS vouchers FROM kerp.voucher')
    expect(count?.['vouchers']).toBe('20')
  })

  it('let one of two bodies with the same id win, and refuse the other with 409', async () => {
    for (let round = 0; round < 10; round += 1) {
      const amounts = ['1000', '2000']
      const answers = await pair.toBoth('/vouchers', 8, (index) =>
        saleOf(`either-${round}`, amounts[(index >> 1) % 2] ?? '', { year: 2100 + round }),
      )
      const winners = answers.filter(({ status }) => status !== 409)
      expect(winners.length).toBe(4)
      expect(new Set(winners.map(({ text }) => text)).size).toBe(1)
      for (const loser of answers.filter((answer) => !winners.includes(answer))) {
        expect(refusalIn(loser)).toEqual([409, 'VOUCHER_CONFLICT'])
      }
    }
  })

  it('post different vouchers on the same accounts at once, and every version is one voucher', async () => {
    const answers = await pair.toBoth('/vouchers', 100, (index) =>
      saleOf(`many-${index}`, '10', { year: 2200 }),
    )
    expect(answers.every(({ status }) => status === 201)).toBe(true)
    const versions = answers.map(({ body }) => Number(fieldOf(body, 'balances', 0, 'version')))
    expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    for (const { body } of answers) {
      const balance = fieldOf(body, 'balances', 0)
      expect(fieldOf(balance, 'balance')).toBe(String(Number(fieldOf(balance, 'version')) * 10))
    }
  })

  it('see each other’s vouchers, at once with the version in hand', async () => {
    const [here, there] = pair.clients
    for (let round = 1; round <= 20; round += 1) {
      await here.post('/vouchers', saleOf(`seen-${round}`, '1', { year: 2300 }))
      const seen = await there.get(`/balances?accounts=11210&fiscalYear=2300&atLeast=11210:${round}`)
      expect(fieldOf(seen.body, 'balances', 0)).toMatchObject({ balance: String(round), version: round })
    }
  })

  it('know each other’s sessions', async () => {
    const [, second] = pair.processes
    const token = pair.clients[0].token
    const audit = await second.send('/companies/c1/audit', { headers: { authorization: `Bearer ${token}` } })
    expect([audit.status, fieldOf(audit.body, 'ok')]).toEqual([200, true])
  })
})

describe('The audit', () => {
  it('fails when a cached balance was changed behind its back', async () => {
    const [client] = pair.clients
    const path = '/balances?accounts=11210&fiscalYear=2400'
    await client.post('/vouchers', saleOf('corrupt', '1000', { year: 2400 }))
    await expect
      .poll(async () => fieldOf((await client.get(path)).body, 'balances', 0, 'source'), {
        timeout: 20_000,
      })
      .not.toBe('database')
    expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
    const peek = pair.redis.client()
    const key = 'balance:{c1}:11210:2400'
    const register = (await peek.get(key)) ?? ''
    expect(register).toMatch(/\|1000\|0$/)
    await peek.set(key, register.replace(/\|1000\|0$/, '|9000|0'))
    peek.disconnect()
    const audit = await client.get('/audit')
    expect(fieldOf(audit.body, 'ok')).toBe(false)
    const lines = fieldOf(audit.body, 'lines') as readonly unknown[]
    expect(lines.filter((line) => fieldOf(line, 'ok') === false)).toEqual([
      expect.objectContaining({ name: 'every cached balance = its row = Σ of its lines', differences: 1 }),
    ])
  })

  it('fails when a line was changed in the database behind the ledger’s back', async () => {
    const [client] = pair.clients
    await client.post('/vouchers', saleOf('forged', '1000', { year: 2500 }))
    await sql(
      pair.databaseUrl,
      `SET session_replication_role = replica; UPDATE kerp.line SET debit = debit + 1 WHERE account = '11210' AND fiscal_year = 2500`,
    )
    const audit = await client.get('/audit')
    expect(fieldOf(audit.body, 'ok')).toBe(false)
    const lines = fieldOf(audit.body, 'lines') as readonly unknown[]
    expect(lines.filter((line) => fieldOf(line, 'ok') === false).length).toBeGreaterThanOrEqual(1)
  })
})
