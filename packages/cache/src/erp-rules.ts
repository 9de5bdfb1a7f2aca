/**
 * Rules for the built-in events. A tag names what a value was made from, not what it is: a report and a dashboard
 * of 2026 both carry `vouchers:2026`.
 */

import type { ErpEventSchemas } from '@kerp/pubsub'
import type { InvalidationRules } from './invalidator.js'

/** Tags of the built-in rules. */
export const erpTags = Object.freeze({
  /** Made from the vouchers and balances of a fiscal year. */
  vouchers: (fiscalYear: number) => `vouchers:${fiscalYear}`,
  /** Made from approvals. */
  approvals: 'approvals',
  /** Made from the stock of one item. */
  stockOf: (item: string) => `stock:${item}`,
  /** Made from stock of any items. */
  stock: 'stock',
  /** Made from payroll results. */
  payroll: 'payroll',
})

/** What is void by each of the built-in events. Put your own beside: `{ ...erpInvalidationRules, 'unit:changed': … }`. */
export const erpInvalidationRules = Object.freeze({
  'events:voucher:created': ({ payload }) => ({ tags: [erpTags.vouchers(payload.fiscalYear)] }),
  'events:voucher:approved': () => ({ tags: [erpTags.approvals] }),
  'events:inventory:changed': ({ payload }) => ({ tags: [erpTags.stock, erpTags.stockOf(payload.item)] }),
  'events:payroll:processed': () => ({ tags: [erpTags.payroll] }),
} satisfies InvalidationRules<ErpEventSchemas>)
