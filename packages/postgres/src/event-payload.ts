/** Makes an event of a row of the log: what it says about the change, with amounts as whole numbers in text. */

import {
  type BalanceUpdated,
  type CommittedEvent,
  type InventoryChanged,
  parseMinorUnits,
  type ReadToken,
  type RegisterRef,
  readTokenOf,
} from '@kerp/core'
import { DatabaseUnsuitableError } from './errors.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'

export type { BalanceUpdated, InventoryChanged } from '@kerp/core'

// Together with an envelope below 64 KiB.
const BALANCES_BYTES_MAX = 49_152
const ENTRY_BYTES = 200

type Row = Readonly<Record<string, unknown>>

/** Payload of `events:voucher:created`. */
export interface VoucherCreated {
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  /** The voucher that this one reverses. */
  readonly reverses?: string | undefined
  /** The version that the voucher gave to each row it touched, in the order in which its lines first name them. */
  readonly balances: readonly { readonly account: string; readonly version: number }[]
  /** Of a voucher on hundreds of accounts only the first are named, as many as an event has room for. */
  readonly balancesOmitted?: number | undefined
  /** For `atLeast`: whoever reads with it sees the voucher; balances that were left out are read from the database. */
  readonly readToken: ReadToken
}

/** Payload of `events:voucher:approved`. */
export interface VoucherApproved {
  readonly id: string
  readonly approvedAt: string
}

/** None for the one line of facts that an answer without events consists of. */
export function committedEventOf(companyId: string, epoch: string, row: Row): readonly CommittedEvent[] {
  const position = textOrUndefined(row, 'position')
  if (position === undefined) return []
  const type = textOf(row, 'type')
  const traceparent = textOrUndefined(row, 'traceparent')
  return [
    {
      companyId,
      position,
      type,
      timestamp: textOf(row, 'written_at'),
      payload: payloadOf(companyId, epoch, type, row),
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  ]
}

function payloadOf(companyId: string, epoch: string, type: string, row: Row): unknown {
  const payload = textOrUndefined(row, 'payload')
  if (payload !== undefined) return JSON.parse(payload)
  if (type === 'events:voucher:created') return voucherCreatedOf(companyId, epoch, row)
  if (type === 'events:balance:updated') return balanceUpdatedOf(row)
  if (type === 'events:inventory:changed') return inventoryChangedOf(row)
  return null
}

/** The token is of the present epoch: whoever finds the event in the log sees the voucher in this history. */
function voucherCreatedOf(companyId: string, epoch: string, row: Row): VoucherCreated {
  const fiscalYear = textOf(row, 'fiscal_year')
  const reverses = textOrUndefined(row, 'reverses')
  const touched = versionsOf(textOf(row, 'versions'))
  const balances = fitting(touched)
  const omitted = touched.length - balances.length
  const images = balances.map(({ account, version }) => {
    const ref: RegisterRef = { companyId, family: 'balance', parts: [account, fiscalYear] }
    return { ref, version }
  })
  return {
    id: textOf(row, 'about'),
    date: textOf(row, 'date'),
    fiscalYear: Number(fiscalYear),
    ...(reverses === undefined ? {} : { reverses }),
    balances,
    ...(omitted === 0 ? {} : { balancesOmitted: omitted }),
    readToken: readTokenOf({
      epoch,
      images,
      unnamed: omitted === 0 ? undefined : { companyId, family: 'balance' },
    }),
  }
}

/** Pairs, as an object would put accounts that look like numbers first. */
function versionsOf(text: string): VoucherCreated['balances'] {
  const pairs: unknown = JSON.parse(text)
  if (!Array.isArray(pairs)) {
    throw new DatabaseUnsuitableError('The database answered a voucher without its versions.')
  }
  return (pairs as readonly (readonly [string, string])[]).map(([account, version]) => ({
    account,
    version: Number(version),
  }))
}

/** Each account stands in the event twice, the second time in base64. */
function fitting(balances: VoucherCreated['balances']): VoucherCreated['balances'] {
  let left = BALANCES_BYTES_MAX
  const end = balances.findIndex(({ account }) => {
    left -= ENTRY_BYTES + 3 * Buffer.byteLength(account)
    return left < 0
  })
  return end < 0 ? balances : balances.slice(0, end)
}

function balanceUpdatedOf(row: Row): BalanceUpdated {
  const debit = textOf(row, 'field1')
  const credit = textOf(row, 'field2')
  return {
    account: textOf(row, 'part1'),
    fiscalYear: Number(textOf(row, 'part2')),
    debit,
    credit,
    balance: (parseMinorUnits(debit) - parseMinorUnits(credit)).toString(),
    version: versionOf(row),
  }
}

function inventoryChangedOf(row: Row): InventoryChanged {
  return {
    item: textOf(row, 'part1'),
    warehouse: textOf(row, 'part2'),
    quantity: textOf(row, 'field1'),
    reserved: textOf(row, 'field2'),
    version: versionOf(row),
  }
}
