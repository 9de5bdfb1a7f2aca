/** Two real processes on one database: each voucher takes effect once, and opposite orders never end in an error. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'
import type { PostManyAnswer, PostManyWork } from './post-many.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

/** Starts a process per work, fires them together, and returns what each answered. */
async function inProcesses(works: readonly PostManyWork[]): Promise<PostManyAnswer[][]> {
  const args = await argsOf(join(import.meta.dirname, 'post-many.ts'))
  const started = works.map((work) => {
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin.write(`${JSON.stringify(work)}\n`)
    return { child, lines: linesOf(child) }
  })
  try {
    for (const { lines } of started) expect(await lines()).toBe('ready')
    for (const { child } of started) child.stdin.write('go\n')
    return await Promise.all(started.map(async ({ lines }) => JSON.parse(await lines()) as PostManyAnswer[]))
  } finally {
    for (const { child } of started) child.kill('SIGKILL')
  }
}

function linesOf(child: ChildProcess): () => Promise<string> {
  if (child.stdout === null) throw new TypeError('no output')
  const iterator = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async () => String((await iterator.next()).value)
}

test('the same vouchers in both: one effect each, and the same answer to both', async () => {
  const companyId = freshCompany()
  const vouchers = Array.from({ length: 200 }, (_, n) => ({
    id: `v${n}`,
    amount: '5',
    debit: '1101',
    credit: `41${n % 7}`,
  }))
  const work = { url: database.url, companyId, vouchers, batchMax: 20 }
  const [a, b] = await inProcesses([work, work])
  expect(a).toHaveLength(200)
  a?.forEach((answer, n) => {
    const other = b?.[n]
    if (!answer.ok || other?.ok !== true)
      throw new TypeError(`voucher ${n}: ${JSON.stringify([answer, other])}`)
    expect([answer.replayed, other.replayed].filter((replayed) => !replayed)).toHaveLength(1)
    expect(other.images).toEqual(answer.images)
    expect(other.token).toBe(answer.token)
  })
  const audit = await database.ledger().audit(companyId)
  expect(audit).toMatchObject({ ok: true, vouchers: 200, debit: 1_000n })
})

test('the same ids with other content: one of the two is posted, the other hears of the conflict', async () => {
  const companyId = freshCompany()
  const vouchers = (amount: string): PostManyWork['vouchers'] =>
    Array.from({ length: 60 }, (_, n) => ({ id: `v${n}`, amount, debit: '1101', credit: '4101' }))
  const common = { url: database.url, companyId, batchMax: 10 }
  const [a, b] = await inProcesses([
    { ...common, vouchers: vouchers('5') },
    { ...common, vouchers: [...vouchers('7')].reverse() },
  ])
  const reversed = [...(b ?? [])].reverse()
  let debit = 0n
  a?.forEach((answer, n) => {
    const other = reversed[n]
    expect([answer.ok, other?.ok].filter(Boolean)).toHaveLength(1)
    const loser = answer.ok ? other : answer
    expect(loser).toEqual({ ok: false, code: 'VOUCHER_CONFLICT' })
    debit += answer.ok ? 5n : 7n
  })
  const audit = await database.ledger().audit(companyId)
  expect(audit).toMatchObject({ ok: true, vouchers: 60, debit })
})

test('keys and accounts in opposite order, again and again: no deadlock reaches a caller', async () => {
  const companyId = freshCompany()
  const accounts = Array.from({ length: 12 }, (_, n) => `a${n}`)
  const vouchers = Array.from({ length: 400 }, (_, n) => ({
    id: `v${n % 300}`,
    amount: String(1 + (n % 300)),
    debit: accounts[(n % 300) % 12] ?? '',
    credit: accounts[((n % 300) * 5 + 1) % 12] ?? '',
  }))
  const deadlocks = (): Promise<unknown> =>
    database.one(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
  const common = { url: database.url, companyId, batchMax: 25 }
  const answers = await inProcesses([
    { ...common, vouchers },
    { ...common, vouchers: [...vouchers].reverse() },
  ])
  expect(answers.flat().filter((answer) => !answer.ok)).toEqual([])
  expect(await deadlocks()).toBe('0')
  expect(await database.ledger().audit(companyId)).toMatchObject({ ok: true, vouchers: 300 })
})
