/** What a process takes in of answers that were on their way, and how it follows pushes. */

import { expect, test } from 'vitest'
import { createKeys } from '@kerp/keys'
import { MemoryDatabase } from '@kerp/registers/testing'
import { LocalCompany } from '../../packages/registers/src/local-company.js'
import { registerKeyReader } from '../../packages/registers/src/register-key.js'

const keys = createKeys()
const KEY = keys.register({ companyId: 'c1', family: 'balance', parts: ['a', '2026'] })
const ROW = { version: 3, text: '7|0' }

function watermark(position: string, change: { generation?: string; epoch?: string } = {}) {
  return { generation: 'aaaaaaaaaaaaaaaa', epoch: '7.1', position, asOfMs: 1, ...change }
}

function push(from: string, to: string, text?: string, change: { generation?: string } = {}) {
  const entries = text === undefined ? [] : [{ key: KEY, imageText: text === '' ? undefined : text }]
  return { generation: 'aaaaaaaaaaaaaaaa', epoch: '7.1', from, to, asOfMs: 1, entries, ...change }
}

/** A company that has followed its pushes to `s5`. */
function open(): LocalCompany {
  const company = new LocalCompany('c1', {
    order: new MemoryDatabase(),
    readKey: registerKeyReader(keys, 'c1'),
    size: { entries: 0, bytes: 0 },
    nowMs: 0,
  })
  company.hear(push('s4', 's5'), 0)
  return company
}

function evidence(company: LocalCompany, position: string) {
  return { incarnation: company.incarnation, watermark: watermark(position), probe: 1 }
}

function versionIn(company: LocalCompany): number | undefined {
  return company.find('balance', 'a', '2026')?.version
}

test('an answer at or ahead of the pushes is taken in', () => {
  const company = open()
  expect(company.admit(KEY, ROW, evidence(company, 's5'))).toBe('admitted')
  expect(open().admit(KEY, ROW, evidence(company, 's9'))).toBe('admitted')
  expect(versionIn(company)).toBe(3)
})

test('an answer that was asked for before a drop is not taken in', () => {
  const company = open()
  const asked = evidence(company, 's6')
  company.drop()
  company.hear(push('s5', 's6'), 0)
  expect(company.admit(KEY, ROW, asked)).toBe('refused')
  expect(company.admit(KEY, ROW, evidence(company, 's6'))).toBe('admitted')
})

test('an answer whose watermark is behind the pushes is not taken in', () => {
  const company = open()
  const asked = evidence(company, 's5')
  company.hear(push('s5', 's6', '0000000000000004|9|0'), 0)
  expect(company.admit(KEY, ROW, asked)).toBe('refused')
})

test('an answer of another generation or epoch is not taken in', () => {
  const company = open()
  for (const change of [{ generation: 'bbbbbbbbbbbbbbbb' }, { epoch: '7.2' }]) {
    const asked = { ...evidence(company, 's5'), watermark: watermark('s5', change) }
    expect(company.admit(KEY, ROW, asked)).toBe('refused')
  }
})

test('an answer that was asked for before a removal is not taken in', () => {
  const company = open()
  const asked = evidence(company, 's5')
  company.hear(push('', '', ''), 0)
  expect(company.admit(KEY, ROW, asked)).toBe('refused')
})

test('an answer to a company that has heard no push yet is not taken in', () => {
  const company = open()
  company.drop()
  expect(company.admit(KEY, ROW, evidence(company, 's9'))).toBe('refused')
})

test('a push that was overtaken changes nothing but what is older than it', () => {
  const company = open()
  company.admit(KEY, ROW, evidence(company, 's5'))
  expect(company.hear(push('s2', 's3', '0000000000000002|5|0'), 0)).toBeUndefined()
  expect(versionIn(company)).toBe(3)
  expect(company.mark?.position).toBe('s5')
})

test('a push that does not begin where the last one ended drops everything, and begins anew', () => {
  const company = open()
  company.admit(KEY, ROW, evidence(company, 's5'))
  expect(company.hear(push('s6', 's7'), 0)).toBe('gap')
  expect(versionIn(company)).toBeUndefined()
  expect(company.mark?.position).toBe('s7')
})

test('a new generation without a position is followed only from the next push that has one', () => {
  const company = open()
  company.admit(KEY, ROW, evidence(company, 's5'))
  expect(company.hear(push('', '', undefined, { generation: 'bbbbbbbbbbbbbbbb' }), 0)).toBe('generation')
  expect(company.mark).toBeUndefined()
  expect(company.hear(push('s5', 's5', undefined, { generation: 'bbbbbbbbbbbbbbbb' }), 0)).toBeUndefined()
  expect(company.mark?.position).toBe('s5')
})

test('what is counted goes back to nothing when all is dropped', () => {
  const company = open()
  company.admit(KEY, ROW, evidence(company, 's5'))
  company.hear(push('', '', '0000000000000004|123456789|0'), 0)
  expect(company.size.entries).toBe(1)
  company.drop()
  expect(company.size).toEqual({ entries: 0, bytes: 0 })
})
