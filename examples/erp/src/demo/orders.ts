/** Order lines of a wholesaler: read from a CSV or CSV.gz, grouped into invoices. */

import { InvalidInputError } from '@kerp/core'
import { type CsvRecord, readRecords } from './order-text.js'

/** One line of an invoice. */
export interface OrderLine {
  readonly item: string
  /** Negative for a return. */
  readonly quantity: bigint
  readonly unitPricePence: bigint
}

/** One invoice or credit note. */
export interface Invoice {
  readonly id: string
  /** `YYYY-MM-DD` */
  readonly date: string
  readonly customer: string
  readonly lines: readonly OrderLine[]
}

/** The most lines that one file may have; they are held in memory together. */
const ORDER_LINES_MAX = 2_000_000

const COLUMNS = ['invoice', 'item', 'qty', 'ts', 'unit_price_pence', 'customer'] as const
type Column = (typeof COLUMNS)[number]

const WHOLE_NUMBER = /^-?\d{1,18}$/
const DATE_AND_TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$/

/** What may stand in a voucher's id, its memo, a movement's id. */
const INVOICE = { pattern: /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029:{}*?[\]\\]+$/, bytesMax: 100 }
const TEXT = { pattern: /^[^\u0000-\u0008\u000b-\u001f\u007f]*$/, bytesMax: 256 }

/**
 * Reads a file with the columns `invoice,item,qty,ts,unit_price_pence,customer,country`, in any order, packed
 * by gzip or not. Invoices come in the order of their first lines. Names come NFC-normalised, so that two spellings
 * of one item are one item.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` with line and column for what `readRecords` refuses, a missing column,
 * a file without orders, an invoice without a number, a quantity or a price that is no whole number, a time without
 * a day of the calendar, or more than `ORDER_LINES_MAX` records.
 */
export async function readOrders(file: string): Promise<readonly Invoice[]> {
  const invoices = new Map<string, { date: string; customer: string; lines: OrderLine[] }>()
  let columns: ReadonlyMap<Column, number> | undefined
  let orderLines = 0
  await readRecords(file, (record) => {
    if (columns === undefined) {
      columns = columnsOf(record)
      return
    }
    orderLines += 1
    if (orderLines > ORDER_LINES_MAX) {
      const where = `line ${record.lineOf(0)}, column 1`
      throw new InvalidInputError(where, `the end of the file after ${ORDER_LINES_MAX} orders`, 'another')
    }
    const order = orderOf(record, columns)
    const invoice = invoices.get(order.invoice)
    if (invoice === undefined) {
      invoices.set(order.invoice, { date: order.date, customer: order.customer, lines: [order.line] })
    } else {
      invoice.lines.push(order.line)
    }
  })
  if (columns === undefined)
    throw new InvalidInputError('line 1, column 1', HEADER_EXPECTED, 'the end of the file')
  if (orderLines === 0) throw new InvalidInputError('line 2, column 1', 'an order', 'the end of the file')
  return [...invoices].map(([id, invoice]) => ({ id, ...invoice }))
}

const HEADER_EXPECTED = `a header with the columns ${COLUMNS.join(', ')}`

function columnsOf({ fields, lineOf }: CsvRecord): ReadonlyMap<Column, number> {
  const names = fields.map((name) => name.trim())
  return new Map(
    COLUMNS.map((column) => {
      const at = names.indexOf(column)
      if (at >= 0) return [column, at]
      throw new InvalidInputError(`line ${lineOf(0)}, column ${column}`, HEADER_EXPECTED, fields.join(','))
    }),
  )
}

interface Order {
  readonly invoice: string
  readonly date: string
  readonly customer: string
  readonly line: OrderLine
}

function orderOf({ fields, lineOf }: CsvRecord, columns: ReadonlyMap<Column, number>): Order {
  const indexOf = (column: Column): number => columns.get(column) ?? 0
  const valueOf = (column: Column): string => (fields[indexOf(column)] ?? '').normalize('NFC')
  const refusal = (column: Column, expected: string): InvalidInputError =>
    new InvalidInputError(`line ${lineOf(indexOf(column))}, column ${column}`, expected, valueOf(column))
  const name = (column: Column, { pattern, bytesMax }: typeof TEXT, expected: string): string => {
    const text = valueOf(column)
    if (pattern.test(text) && Buffer.byteLength(text) <= bytesMax) return text
    throw refusal(column, expected)
  }
  const wholeNumber = (column: Column): bigint => {
    const text = valueOf(column)
    if (WHOLE_NUMBER.test(text)) return BigInt(text)
    throw refusal(column, 'a whole number of at most 18 digits')
  }
  const date = DATE_AND_TIME.exec(valueOf('ts'))?.[1]
  if (date === undefined || !isCalendarDay(date)) throw refusal('ts', 'a moment such as 2010-12-01T08:26')
  return {
    invoice: name('invoice', INVOICE, '1 to 100 bytes, none of : { } * ? [ ] \\, no control characters'),
    date,
    customer: name('customer', TEXT, 'at most 256 bytes, no control characters but line breaks'),
    line: {
      item: name('item', TEXT, 'at most 256 bytes, no control characters but line breaks'),
      quantity: wholeNumber('qty'),
      unitPricePence: wholeNumber('unit_price_pence'),
    },
  }
}

/** From 1900 on, as the ledger has it. */
function isCalendarDay(date: string): boolean {
  const moment = new Date(`${date}T00:00:00Z`)
  return date >= '1900' && !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(date)
}
