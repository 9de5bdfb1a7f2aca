/** What the live page can subscribe to, and how it looks at the moment of joining. */

import type { RegisterImage, RegisterSource } from '@kerp/core'
import { stockLevel } from '@kerp/inventory-lock'
import type { LiveSnapshot, LiveTopics, LogEvent } from '@kerp/live'
import { type Company, findCompany } from './companies.js'
import { payloadView } from './http/event-view.js'
import { imageView } from './http/money.js'
import { stockView } from './http/quantities.js'

const UNKNOWN: Company = { id: '', name: '', currency: 'KRW' }

/** `events` in order, `balances` and `stock` as they stand, and `pulse`, which the page shows beside them. */
export const LIVE_TOPICS: LiveTopics<LogEvent> = {
  events: {
    kind: 'log',
    item: ({ id, type, timestamp, payload }, companyId) => ({
      id,
      type,
      timestamp,
      companyId,
      payload: payloadView(companyOf(companyId), type, payload),
    }),
  },
  balances: { kind: 'state', entry: entryOf('events:balance:updated', ['account', 'fiscalYear']) },
  stock: { kind: 'state', entry: entryOf('events:inventory:changed', ['item', 'warehouse'], ['reserved']) },
  pulse: { kind: 'ephemeral' },
}

function companyOf(companyId: string): Company {
  return findCompany(companyId) ?? UNKNOWN
}

/** An event of one type as an item of its row, in the form of the HTTP answers. */
function entryOf(wanted: string, keyFields: readonly string[], without: readonly string[] = []) {
  return ({ type, payload }: LogEvent, companyId: string) => {
    if (type !== wanted) return undefined
    const view = payloadView(companyOf(companyId), type, payload)
    if (typeof view !== 'object' || view === null) return undefined
    const item = Object.fromEntries(Object.entries(view).filter(([name]) => !without.includes(name)))
    return { key: keyFields.map((name) => String(item[name])).join(' '), item }
  }
}

const ROWS_PER_PAGE = 1_000
const PAGES_MAX = 100

/** Rows as the database has them: never behind an event that was committed before. */
export function liveSnapshot(source: RegisterSource): LiveSnapshot {
  const rows = async <T>(
    companyId: string,
    family: 'balance' | 'inventory',
    view: (image: RegisterImage) => T,
  ) => {
    const found: T[] = []
    let after: RegisterImage | undefined
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const from = after === undefined ? {} : { after: after.ref }
      const { images } = await source.list({ companyId, family, limit: ROWS_PER_PAGE, ...from })
      found.push(...images.map(view))
      after = images.at(-1)
      if (images.length < ROWS_PER_PAGE) break
    }
    return found
  }
  return async ({ companyId, topics }) => {
    const company = companyOf(companyId)
    const [balances, stock] = await Promise.all([
      topics.includes('balances') ? rows(companyId, 'balance', (image) => imageView(company, image)) : [],
      topics.includes('stock') ? rows(companyId, 'inventory', (image) => stockView(stockLevel(image))) : [],
    ])
    return { balances, stock }
  }
}
