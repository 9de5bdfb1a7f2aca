/** The routes of stock (재고): adjust, transfer, reserve with its two ends, and what is there. */

import type { Observer, ReservationChange, StockReservationLine } from '@kerp/core'
import { type Stock, stockLevel, stockLevelJson } from '@kerp/inventory-lock'
import type { FastifyRequest } from 'fastify'
import { type Fields, goodsField, listField, nameField, objectOf, wholeNumberField } from './http/fields.js'
import type { MasterData } from './master-data.js'
import { quantityField, type StockView, stockView } from './http/quantities.js'
import { bodyFields, companyOf, type HttpServer, queryFields } from './http/server.js'

/** The longest reservation: 400 days. */
const TTL_SECONDS = { min: 1, max: 400 * 86_400 }

/** What the routes lead to. */
export interface StockRoutesOptions {
  readonly stock: Stock
  readonly masterData: MasterData
  readonly observer: Observer
}

/** Registers the routes below `/companies/:company`. */
export function stockRoutes(server: HttpServer, options: StockRoutesOptions): void {
  const { stock, observer } = options
  const route = (path: string, move: (companyId: string, body: Fields) => Promise<object>): void => {
    server.post(`/stock/${path}`, async (request) => {
      observer.step?.({ name: 'http.received' })
      const answer = await move(companyOf(request).id, bodyFields(request))
      observer.step?.({ name: 'http.answering' })
      return answer
    })
  }

  route('adjust', async (companyId, body) => {
    const movementId = nameField(body, 'movementId')
    const adjustment = { companyId, movementId, ...placeOf(body), quantity: quantityField(body, 'any') }
    const [level] = levelsOf(await stock.adjust(adjustment))
    return { ...level }
  })

  route('transfer', async (companyId, body) => {
    const movementId = nameField(body, 'movementId')
    const way = { item: goodsField(body, 'item'), from: goodsField(body, 'from'), to: goodsField(body, 'to') }
    const quantity = quantityField(body, 'positive')
    return { movementId, stock: levelsOf(await stock.transfer({ companyId, movementId, ...way, quantity })) }
  })

  route('reserve', async (companyId, body) => {
    const reservationId = nameField(body, 'reservationId')
    const lines = listField(body, 'lines').map((line, index) => lineOf(line, `lines[${index}]`))
    const ttlMs = wholeNumberField(body, 'ttlSeconds', TTL_SECONDS) * 1_000
    return reservationView(await stock.reserve({ companyId, reservationId, lines, ttlMs }))
  })

  for (const ending of ['confirm', 'cancel'] as const) {
    const settle = async (companyId: string, body: Fields): Promise<object> =>
      reservationView(await stock[ending]({ companyId, reservationId: nameField(body, 'reservationId') }))
    route(ending, settle)
    // Both spellings are in use.
    route(`reserve/${ending}`, settle)
  }

  server.get('/stock', async (request) => ({ stock: await readStock(options, request) }))
}

/** The rows of an item that were ever moved, in one warehouse or in all. */
async function readStock(
  { stock, masterData }: StockRoutesOptions,
  request: FastifyRequest,
): Promise<readonly object[]> {
  const query = queryFields(request)
  const companyId = companyOf(request).id
  const item = goodsField(query, 'item')
  const warehouses =
    query['warehouse'] === undefined
      ? (await masterData.warehouses(companyId)).map(({ code }) => code)
      : [goodsField(query, 'warehouse')]
  const refs = warehouses.map((warehouse) => ({ item, warehouse }))
  const readings = await stock.getMany(companyId, refs)
  return readings
    .filter(({ version }) => version > 0)
    .map((reading) => ({ ...stockView(reading), asOf: reading.asOf.toISOString() }))
}

function placeOf(fields: Fields, path = ''): { readonly item: string; readonly warehouse: string } {
  return {
    item: goodsField(fields, 'item', `${path}item`),
    warehouse: goodsField(fields, 'warehouse', `${path}warehouse`),
  }
}

function lineOf(value: unknown, path: string): StockReservationLine {
  const line = objectOf(value, path)
  return { ...placeOf(line, `${path}.`), quantity: quantityField(line, 'positive', `${path}.quantity`) }
}

function levelsOf({ images }: Pick<ReservationChange, 'images'>): readonly StockView[] {
  return images.map((image) => stockView(stockLevel(image)))
}

function reservationView({ reservationId, state, expiresAt, images }: ReservationChange): object {
  const stock = images.map((image) => stockLevelJson(stockLevel(image)))
  return { reservationId, state, expiresAt: expiresAt.toISOString(), stock }
}
