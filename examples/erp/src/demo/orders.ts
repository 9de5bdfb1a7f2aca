/** Order lines of a wholesaler: read from a CSV or CSV.gz, grouped into invoices. */

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { InvalidInputError } from '@kerp/core'
import { splitCsvLine } from '../csv.js'

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

const GZIP_MAGIC = 0x1f8b
const WHOLE_NUMBER = /^-?\d{1,18}$/
const DATE_AND_TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$/

/**
 * Reads a file with the columns `invoice,item,qty,ts,unit_price_pence,customer,country`, in any order, packed
 * by gzip or not. Invoices come in the order of their first lines.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` with the line's number for a missing column, a quantity or a
 * price that is no whole number, a time without a date, or more than `ORDER_LINES_MAX` lines.
 */
export async function readOrders(file: string): Promise<readonly Invoice[]> {
  const invoices = new Map<string, { date: string; customer: string; lines: OrderLine[] }>()
  let columns: ReadonlyMap<Column, number> | undefined
  let lineNumber = 0
  for await (const text of createInterface({ input: await openText(file), crlfDelay: Infinity })) {
    lineNumber += 1
    if (text === '') continue
    const fields = splitCsvLine(text)
    if (columns === undefined) {
      columns = columnsOf(fields)
      continue
    }
    if (lineNumber > ORDER_LINES_MAX) {
      throw new InvalidInputError(`line ${lineNumber}`, `one of at most ${ORDER_LINES_MAX} lines`, text)
    }
    const order = orderOf(fields, columns, lineNumber)
    const invoice = invoices.get(order.invoice)
    if (invoice === undefined) {
      invoices.set(order.invoice, { date: order.date, customer: order.customer, lines: [order.line] })
    } else {
      invoice.lines.push(order.line)
    }
  }
  return [...invoices].map(([id, invoice]) => ({ id, ...invoice }))
}

async function openText(file: string): Promise<Readable> {
  const handle = await open(file)
  const magic = Buffer.alloc(2)
  await handle.read(magic, 0, 2, 0)
  await handle.close()
  const bytes = createReadStream(file)
  if (magic.readUInt16BE(0) !== GZIP_MAGIC) return bytes
  const unpacked = createGunzip()
  bytes.on('error', (error) => unpacked.destroy(error))
  return bytes.pipe(unpacked)
}

function columnsOf(header: readonly string[]): ReadonlyMap<Column, number> {
  const names = header.map((name) => name.replace(/^\uFEFF/, '').trim())
  return new Map(
    COLUMNS.map((column) => {
      const at = names.indexOf(column)
      if (at < 0)
        throw new InvalidInputError('line 1', `a header with the column ${column}`, header.join(','))
      return [column, at]
    }),
  )
}

interface Order {
  readonly invoice: string
  readonly date: string
  readonly customer: string
  readonly line: OrderLine
}

function orderOf(fields: readonly string[], columns: ReadonlyMap<Column, number>, lineNumber: number): Order {
  const valueOf = (column: Column): string => fields[columns.get(column) ?? -1] ?? ''
  const wholeNumber = (column: Column): bigint => {
    const text = valueOf(column)
    if (WHOLE_NUMBER.test(text)) return BigInt(text)
    throw new InvalidInputError(`line ${lineNumber}: ${column}`, 'a whole number', text)
  }
  const date = DATE_AND_TIME.exec(valueOf('ts'))?.[1]
  if (date === undefined) {
    throw new InvalidInputError(`line ${lineNumber}: ts`, 'a moment such as 2010-12-01T08:26', valueOf('ts'))
  }
  return {
    invoice: valueOf('invoice'),
    date,
    customer: valueOf('customer'),
    line: {
      item: valueOf('item'),
      quantity: wholeNumber('qty'),
      unitPricePence: wholeNumber('unit_price_pence'),
    },
  }
}
