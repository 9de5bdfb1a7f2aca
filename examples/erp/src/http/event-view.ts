/** How events look on the wire: envelopes whose money and quantities have the forms of every other answer. */

import { type CommittedEvent, formatAmount, formatQuantity, parseMinorUnits } from '@kerp/core'
import type { Company } from '../companies.js'

/** An event as clients get it. */
export interface EventView {
  /** Its position in the company's one order of events. */
  readonly id: string
  readonly type: string
  readonly timestamp: string
  readonly companyId: string
  readonly payload: unknown
}

/** Writes an event of the log. */
export function eventView(company: Company, event: CommittedEvent): EventView {
  const { position: id, type, timestamp, companyId, payload } = event
  return { id, type, timestamp, companyId, payload: payloadView(company, type, payload) }
}

/** The library has money in minor units and quantities in thousandths; whatever else there is goes as it is. */
export function payloadView(company: Company, type: string, payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload
  const money = (minorUnits: unknown): string => formatAmount(parseMinorUnits(minorUnits), company.currency)
  const quantity = (thousandths: unknown): string => formatQuantity(parseMinorUnits(thousandths))
  if (type === 'events:balance:updated') return rewritten(payload, ['debit', 'credit', 'balance'], money)
  if (type === 'events:inventory:changed') return rewritten(payload, ['quantity', 'reserved'], quantity)
  return payload
}

function rewritten(payload: object, names: readonly string[], write: (value: unknown) => string): object {
  const fields = Object.entries(payload) as readonly [string, unknown][]
  return Object.fromEntries(
    fields.map(([name, value]) => [name, names.includes(name) ? write(value) : value]),
  )
}
