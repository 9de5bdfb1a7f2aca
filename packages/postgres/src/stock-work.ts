/** A movement of stock, checked completely before any SQL: what is to be done to which rows. */

import { hash } from 'node:crypto'
import { type ReservationState, type StockFence, type StockRef, checkFence } from '@kerp/core'
import { MovementInvalidError } from './errors.js'
import { checkCompanyId, checkName } from './identifiers.js'

/** The most lines of a reservation. */
const RESERVATION_LINES_MAX = 1_000
/** The longest reservation, in ms: 400 days. */
const RESERVATION_TTL_MS_MAX = 400 * 86_400_000

/** How a reservation ends: the state that it then has. */
export const END_STATES = {
  confirm: 'confirmed',
  cancel: 'cancelled',
  expire: 'expired',
} as const satisfies Readonly<Record<string, ReservationState>>

/** What ends a reservation. */
export type EndKind = keyof typeof END_STATES

/** What a movement is. */
export type StockKind = 'adjust' | 'transfer' | 'reserve' | EndKind

/** Whose ids a movement's id is one of: movements, reservations, ends of reservations. */
export type StockSpace = 'move' | 'hold' | 'settle'

/** What a movement does to one row, in thousandths. */
export interface StockChange {
  readonly item: string
  readonly warehouse: string
  readonly onHand: bigint
  readonly reserved: bigint
}

/** A movement that may be done, as far as can be told without the database. */
export interface StockWork {
  readonly kind: StockKind
  readonly space: StockSpace
  readonly companyId: string
  readonly id: string
  /** Company, space and id as one text; injective, as none of them holds a control character. */
  readonly name: string
  /** Of all that the caller chose beside the id and the fence. */
  readonly hash: string
  /** Each row once. Empty for the end of a reservation, whose lines the database has. */
  readonly changes: readonly StockChange[]
  readonly fence: bigint | undefined
  /** Of a reservation. */
  readonly ttlMs: number | undefined
  /** The W3C trace context of its caller, for its events. */
  readonly traceparent?: string | undefined
  /** How many rows it touches. */
  readonly size: number
  /** Their names; none for the end of a reservation. */
  readonly rows: readonly string[]
}

type Fields = Readonly<Record<string, unknown>>

const QUANTITY_BOUND = 10n ** 18n
const HASH_FORMAT = 's1'
/** For the room that the end of a reservation takes in a transaction, before its lines are known. */
const SETTLE_SIZE = 8

/** @throws {MovementInvalidError} `MOVEMENT_INVALID` */
export function adjustWork(input: unknown): StockWork {
  const fields = record(input, 'adjustment')
  const change = { ...placeOf(fields, ''), onHand: quantityOf(fields, 'quantity', 'any'), reserved: 0n }
  return workOf('adjust', fields, nameOf(fields, 'movementId'), [change])
}

/** @throws {MovementInvalidError} `MOVEMENT_INVALID` */
export function transferWork(input: unknown): StockWork {
  const fields = record(input, 'transfer')
  const item = partOf(fields, 'item')
  const from = partOf(fields, 'from')
  const to = partOf(fields, 'to')
  if (from === to) throw new MovementInvalidError('to', 'another warehouse than `from`', to)
  const quantity = quantityOf(fields, 'quantity', 'above zero')
  return workOf('transfer', fields, nameOf(fields, 'movementId'), [
    { item, warehouse: from, onHand: -quantity, reserved: 0n },
    { item, warehouse: to, onHand: quantity, reserved: 0n },
  ])
}

/** Lines of one row are summed. @throws {MovementInvalidError} `MOVEMENT_INVALID` */
export function reserveWork(input: unknown): StockWork {
  const fields = record(input, 'reservation')
  const changes = sumOfLines(fields['lines'])
  const ttlMs = ttlMsOf(fields['ttlMs'])
  return workOf('reserve', fields, nameOf(fields, 'reservationId'), changes, ttlMs)
}

/** @throws {MovementInvalidError} `MOVEMENT_INVALID` */
export function settleWork(kind: EndKind, input: unknown): StockWork {
  const fields = record(input, 'reservation')
  return workOf(kind, fields, nameOf(fields, 'reservationId'), [])
}

/** Whether a movement ends a reservation. */
export function isEnd(kind: StockKind): kind is EndKind {
  return kind in END_STATES
}

/** The name of a row of stock. @throws {MovementInvalidError} `MOVEMENT_INVALID` */
export function checkStockRef(input: unknown): StockRef {
  const fields = record(input, 'ref')
  return { companyId: checkCompanyId(fields['companyId'], MovementInvalidError), ...placeOf(fields, '') }
}

/** The warehouses of its rows, each once; none for the end of a reservation. */
export function warehousesOf(work: StockWork): readonly string[] {
  return [...new Set(work.changes.map(({ warehouse }) => warehouse))]
}

const SPACES: Readonly<Record<StockKind, StockSpace>> = {
  adjust: 'move',
  transfer: 'move',
  reserve: 'hold',
  confirm: 'settle',
  cancel: 'settle',
  expire: 'settle',
}

function workOf(
  kind: StockKind,
  fields: Fields,
  id: string,
  changes: readonly StockChange[],
  ttlMs?: number,
): StockWork {
  const companyId = checkCompanyId(fields['companyId'], MovementInvalidError)
  const space = SPACES[kind]
  return {
    kind,
    space,
    companyId,
    id,
    name: `${companyId}\n${space}\n${id}`,
    hash: hashOf(kind, changes, ttlMs),
    changes,
    fence: fenceOf(fields),
    ttlMs,
    size: changes.length === 0 ? SETTLE_SIZE : changes.length,
    rows: changes.map(({ item, warehouse }) => stockRowName(companyId, item, warehouse)),
  }
}

/** Nothing that the server chooses goes in, so that the same request has the same hash at any later time. */
function hashOf(kind: StockKind, changes: readonly StockChange[], ttlMs: number | undefined): string {
  const rows = changes.map(({ item, warehouse, onHand, reserved }) => [
    item,
    warehouse,
    onHand.toString(),
    reserved.toString(),
  ])
  return hash('sha256', JSON.stringify([HASH_FORMAT, kind, rows, ttlMs ?? null]), 'base64url')
}

function sumOfLines(value: unknown): readonly StockChange[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > RESERVATION_LINES_MAX) {
    throw new MovementInvalidError('lines', `a list of 1 to ${RESERVATION_LINES_MAX} lines`, value)
  }
  const rows = new Map<string, StockChange>()
  for (const [index, line] of (value as readonly unknown[]).entries()) {
    const field = `lines[${index}]`
    const fields = record(line, field)
    const place = placeOf(fields, `${field}.`)
    const quantity = quantityOf(fields, 'quantity', 'above zero', `${field}.`)
    const name = `${place.item}\n${place.warehouse}`
    const reserved = (rows.get(name)?.reserved ?? 0n) + quantity
    if (reserved >= QUANTITY_BOUND)
      throw new MovementInvalidError(field, 'a sum of at most 18 digits', 'more')
    rows.set(name, { ...place, onHand: 0n, reserved })
  }
  return [...rows.values()]
}

function placeOf(fields: Fields, path: string): { readonly item: string; readonly warehouse: string } {
  return { item: partOf(fields, 'item', path), warehouse: partOf(fields, 'warehouse', path) }
}

function nameOf(fields: Fields, name: string): string {
  return checkName(fields[name], name, MovementInvalidError)
}

function partOf(fields: Fields, name: string, path = ''): string {
  return checkName(fields[name], `${path}${name}`, MovementInvalidError)
}

function quantityOf(fields: Fields, name: string, sign: 'any' | 'above zero', path = ''): bigint {
  const value = fields[name]
  const isWhole = typeof value === 'bigint' && value < QUANTITY_BOUND && value > -QUANTITY_BOUND
  if (isWhole && (sign === 'any' ? value !== 0n : value > 0n)) return value
  const words = sign === 'any' ? 'not zero' : 'above zero'
  throw new MovementInvalidError(
    `${path}${name}`,
    `a bigint of thousandths, ${words}, with at most 18 digits`,
    // As text, which messages cut short: a bigint may have a million digits.
    typeof value === 'bigint' && !isWhole ? value.toString() : value,
  )
}

function ttlMsOf(value: unknown): number {
  const isGood = typeof value === 'number' && Number.isInteger(value)
  if (isGood && value >= 1 && value <= RESERVATION_TTL_MS_MAX) return value
  throw new MovementInvalidError(
    'ttlMs',
    `a whole number of milliseconds from 1 to ${RESERVATION_TTL_MS_MAX}`,
    value,
  )
}

function fenceOf(fields: Fields): bigint | undefined {
  const fence: unknown = fields['fence' satisfies keyof StockFence]
  if (fence === undefined) return undefined
  return checkFence(fence)
}

function record(value: unknown, field: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new MovementInvalidError(field, 'an object', value)
}

/** Injective, as no name holds a control character. */
export function stockRowName(companyId: string, item: string, warehouse: string): string {
  return `${companyId}\n${item}\n${warehouse}`
}
