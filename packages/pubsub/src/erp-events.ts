/** The six events that every ERP of this library knows. Money is text in minor units, quantities are text. */

import type { BalanceUpdated, InventoryChanged, SchemaResult, StandardSchema } from '@kerp/core'
import { defineEvents } from './event-map.js'

export type { BalanceUpdated, InventoryChanged } from '@kerp/core'

/** `events:voucher:created`: a voucher was posted; `balances` are the rows that it touched. */
export interface VoucherCreated {
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  readonly reverses?: string | undefined
  readonly balances: readonly { readonly account: string; readonly version: number }[]
  /** For reading balances that include this voucher: `get(ref, { atLeast })`. */
  readonly readToken: string
}

/** `events:voucher:approved` */
export interface VoucherApproved {
  readonly id: string
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
function objectOf<P>(shape: Shape<P>, complain: (value: object) => string | undefined = () => undefined) {
  const fields = Object.entries<Kind>(shape)
  const complaint = (value: object): string | undefined => {
    const wrong = fields.find(([name, kind]) => !IS[kind](Reflect.get(value, name)))
    return wrong === undefined ? complain(value) : `${wrong[0]}: ${wrong[1]}`
  }
  const validate = (value: unknown): SchemaResult<P> => {
    if (typeof value !== 'object' || value === null) return { issues: [{ message: 'an object' }] }
    const message = complaint(value)
    return message === undefined ? { value: value as P } : { issues: [{ message }] }
  }
  return { '~standard': { version: 1, vendor: 'kerp', validate } } satisfies StandardSchema<P>
}

function complainOfVoucher(value: object): string | undefined {
  const reverses: unknown = Reflect.get(value, 'reverses')
  if (reverses !== undefined && !IS.text(reverses)) return 'reverses: text'
  const balances: unknown = Reflect.get(value, 'balances')
  return Array.isArray(balances) && balances.every(isTouched) ? undefined : 'balances: accounts with versions'
}

function isTouched(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return IS.text(Reflect.get(value, 'account')) && IS.whole(Reflect.get(value, 'version'))
}

/** The built-in events. */
export const erpEvents = defineEvents({
  'events:voucher:created': objectOf<VoucherCreated>(
    { id: 'text', date: 'text', fiscalYear: 'whole', readToken: 'text' },
    complainOfVoucher,
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
