import { type Step, STEPS } from '@kerp/core'
import { afterEach, expect, inject, it } from 'vitest'
import { readConfig } from '../../examples/erp/src/config.js'
import { type Erp, openErp } from '../../examples/erp/src/main.js'
import { freshDatabase } from './erp-database.js'
import { saleOf } from './vouchers.js'

let erp: Erp | undefined
afterEach(() => erp?.close())

it('A voucher goes one way: posted, applied, answered, relayed, published, heard', async () => {
  const passed: (Step | 'heard')[] = []
  let subscription: { readonly started: Promise<void> } | undefined
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await openErp(readConfig({ PORT: '0', DATABASE_URL: databaseUrl }), {
    say: () => undefined,
    observer: { step: ({ name }) => void passed.push(name) },
  })
  const { url, relay, eventRelay, subscriber } = erp
  const send = async (path: string, body: unknown, token = ''): Promise<unknown> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const answer = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers })
    return answer.json()
  }
  const session = (await send('/session', { company: 'c1', user: 'tester' })) as { token: string }
  // The first voucher makes the company known to the relay, so that the second meets a cache that is in use.
  await send('/companies/c1/vouchers', saleOf('first', '1'), session.token)
  await relay.caughtUp()
  while (!(await eventRelay.tick()).ok);
  await erp.dashboard.read('c1', 2026)
  const heard = new Promise<readonly string[]>((resolve) => {
    const onEvents = ({ events }: { readonly events: readonly { readonly type: string }[] }): void => {
      passed.push(...(events.length > 0 ? (['heard'] as const) : []))
      if (events.some(({ type }) => type === 'events:voucher:created')) resolve(passed)
    }
    subscription = subscriber.subscribe({ companyId: 'c1', from: 'now' }, { onEvents })
  })
  await subscription?.started
  passed.length = 0
  await send('/companies/c1/vouchers', saleOf('second', '2'), session.token)
  await relay.caughtUp()
  while (!(await eventRelay.tick()).ok);
  await heard
  const way = [...new Set(passed)]
  // The relays run beside the request and may overtake its end, but not its COMMIT.
  const isOfRequest = (step: string): boolean => !/^(?:relay|events)\.|^heard$/.test(step)
  expect(way.filter(isOfRequest)).toEqual(STEPS.filter(isOfRequest))
  expect(way.filter((step) => step.startsWith('relay.'))).toEqual([
    'relay.read',
    'relay.sending',
    'relay.relayed',
  ])
  expect(way.indexOf('heard')).toBeGreaterThan(way.indexOf('events.publishing'))
  expect(way.filter((step) => step.startsWith('events.'))).toEqual(['events.publishing', 'events.published'])
  expect(way.indexOf('events.publishing')).toBeGreaterThan(way.indexOf('posting.committing'))
  expect(way.indexOf('relay.read')).toBeGreaterThan(way.indexOf('posting.committing'))
})
