/** Which epochs are of one database, and which of two. */

import { expect, test } from 'vitest'
import { isLowerTimeline, isOtherDatabase } from '../../packages/registers/src/database-epoch.js'

const ONE = '0a4b8c1e-1111-4111-8111-000000000001'
const TWO = '0a4b8c1e-2222-4222-8222-000000000002'
const CLUSTER = '7340000000000000001'
const REST = '1767225600000000.16400.16400.16410.16410'

test('databases of one server, schemas of one database and databases of two servers are different ones', () => {
  const epoch = `${ONE}.${CLUSTER}.00000001.16384.${REST}`
  expect(isOtherDatabase(epoch, `${TWO}.${CLUSTER}.00000001.16385.${REST}`)).toBe(true)
  expect(isOtherDatabase(epoch, `${TWO}.7350000000000000002.00000001.16384.${REST}`)).toBe(true)
  expect(isOtherDatabase(epoch, `${TWO}.${CLUSTER}.00000001.16384.1.26400.1.2.3`)).toBe(true)
})

test('a database that was restarted, rewritten or promoted is the same one', () => {
  const epoch = `${ONE}.${CLUSTER}.00000001.16384.${REST}`
  expect(isOtherDatabase(epoch, `${ONE}.${CLUSTER}.00000001.16384.1.16400.17.16410.18`)).toBe(false)
  const promoted = `${TWO}.${CLUSTER}.00000002.16384.${REST}`
  expect(isOtherDatabase(epoch, promoted)).toBe(false)
  expect([isLowerTimeline(epoch, promoted), isLowerTimeline(promoted, epoch)]).toEqual([true, false])
})

test('where a server does not tell its cluster, its timeline is not taken for one', () => {
  const [one, two] = [`${ONE}.00000001.16384.${REST}`, `${TWO}.00000001.16384.${REST}`]
  expect(isOtherDatabase(one, two)).toBe(true)
  expect(isOtherDatabase(`${ONE}.16384.${REST}`, `${TWO}.16384.${REST}`)).toBe(true)
  expect(isOtherDatabase(one, `${ONE}.00000002.16384.${REST}`)).toBe(false)
  expect(isLowerTimeline(one, two)).toBe(false)
})

test('of epochs that are not of this kind, or of before there was an identity, nobody says so', () => {
  const epoch = `${ONE}.${CLUSTER}.00000002.16384.${REST}`
  expect(isOtherDatabase(epoch, 'e1')).toBe(false)
  const former = `${CLUSTER}.00000001.16384.1767225600.16400.16400.16410.16410`
  expect(isOtherDatabase(epoch, former)).toBe(false)
  expect([isLowerTimeline(former, epoch), isLowerTimeline(epoch, former)]).toEqual([true, false])
})
