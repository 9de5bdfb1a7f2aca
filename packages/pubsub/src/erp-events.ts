/** The six events that every ERP of this library knows. Money is text in minor units, quantities are text. */

import { describeValue, type StandardSchema } from '@kerp/core'
import { defineEvents, payloadSchema } from './event-map.js'

/** `events:voucher:created`: a voucher was posted; `balances` are the rows that it touched. */
export interface VoucherCreated {
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  readonly reverses?: string
  readonly balances: readonly { readonly account: string; readonly version: number }[]
  /** For reading balances that include this voucher: `get(ref, { atLeast })`. */
  readonly readToken: string
}

/** `events:voucher:approved` */
export interface VoucherApproved {
  readonly id: string
}

/** `events:balance:updated`: a balance as it stood after a change, in minor units. */
export interface BalanceUpdated {
  readonly account: string
  readonly fiscalYear: number
  readonly debit: string
  readonly credit: string
  readonly balance: string
  readonly version: number
}

/** `events:inventory:changed`: a stock figure as it stood after a movement, in thousandths. */
export interface InventoryChanged {
  readonly item: string
  readonly warehouse: string
  readonly quantity: string
  readonly reserved: string
  readonly version: number
}

/** `events:payroll:processed`: the payroll of a month is done. */
export interface PayrollProcessed {
  readonly batchId: string
  readonly state: string
  readonly done: number
  readonly total: number
}

/** `events:notification`: a message for people. */
export interface Notification {
  readonly level: string
  readonly message: string
}

type Kind = 'text' | 'whole' | 'decimal'
type Shape<P> = Readonly<Record<Exclude<keyof P & string, 'balances' | 'reverses'>, Kind>>

const IS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string' && value !== '',
  whole: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
  decimal: (value) => typeof value === 'string' && /^-?\d{1,80}$/.test(value),
}

/** Fields beside those of the shape are let through: a newer service may send more. */
function objectOf<P>(shape: Shape<P>, more: (value: object) => void = () => undefined): StandardSchema<P> {
  const fields = Object.entries<Kind>(shape)
  return payloadSchema('an object', (value) => {
    if (typeof value !== 'object' || value === null) throw new Error(`an object, got ${describeValue(value)}`)
    for (const [name, kind] of fields) need(IS[kind](Reflect.get(value, name)), name, kind, value)
    more(value)
    return value as P
  })
}

function need(ok: boolean, name: string, kind: string, value: object): void {
  if (!ok) throw new Error(`\`${name}\` is ${kind}, got ${describeValue(Reflect.get(value, name))}`)
}

function voucherParts(value: object): void {
  const reverses: unknown = Reflect.get(value, 'reverses')
  need(reverses === undefined || IS.text(reverses), 'reverses', 'text', value)
  const balances: unknown = Reflect.get(value, 'balances')
  need(Array.isArray(balances) && balances.every(isTouched), 'balances', 'a list of accounts', value)
}

function isTouched(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return IS.text(Reflect.get(value, 'account')) && IS.whole(Reflect.get(value, 'version'))
}

/** The built-in events. */
export const erpEvents = defineEvents({
  'events:voucher:created': objectOf<VoucherCreated>(
    { id: 'text', date: 'text', fiscalYear: 'whole', readToken: 'text' },
    voucherParts,
  ),
  'events:voucher:approved': objectOf<VoucherApproved>({ id: 'text' }),
  'events:balance:updated': objectOf<BalanceUpdated>({
    account: 'text',
    fiscalYear: 'whole',
    debit: 'decimal',
    credit: 'decimal',
    balance: 'decimal',
    version: 'whole',
  }),
  'events:inventory:changed': objectOf<InventoryChanged>({
    item: 'text',
    warehouse: 'text',
    quantity: 'decimal',
    reserved: 'decimal',
    version: 'whole',
  }),
  'events:payroll:processed': objectOf<PayrollProcessed>({
    batchId: 'text',
    state: 'text',
    done: 'whole',
    total: 'whole',
  }),
  'events:notification': objectOf<Notification>({ level: 'text', message: 'text' }),
})

/** The schemas of the built-in events. */
export type ErpEventSchemas = typeof erpEvents.schemas
