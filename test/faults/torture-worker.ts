/**
 * A process of a torture: an app with its own connections, relays and sweeper, that sends movements and vouchers from
 * several callers at once, many of them more than once, and says on standard output what it was told.
 *
 * Lines: `done SPACE ID HASH`, `refused ID CODE`, `retried CODE`, `passed N` (number N needs no more sending), `over`.
 */

import { createInterface } from 'node:readline/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { isRetryableError, type RegisterImage } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { BalanceCache } from '@kerp/balance-cache'
import { ReservationSweeper, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyAccount, anyWarehouse, EventLog, Ledger, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { EventRelay } from '@kerp/pubsub'
import { createRedis } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import pg from 'pg'
import { ITEMS, type StockOp, stockOp, stockOpId, WAREHOUSES } from './stock-ops.js'
import { isVoucher, voucherOp } from './voucher-ops.js'

/** What the process is to do. */
export interface TortureWork {
  readonly databaseUrl: string
  readonly redisPath: string
  readonly companyId: string
  readonly seed: number
  /** Numbers from here on, before `to`. */
  readonly from: number
  readonly to: number
  /** Seeds of the other processes: their movements are sent again from here, too. */
  readonly seeds: readonly number[]
  readonly callers: number
  /** Of the numbers, those that are vouchers; the others move stock. */
  readonly voucherShare: number
}

/** What a machine that does many other things needs; the test looks at what was refused for good. */
const ATTEMPTS_MAX = 100
const RETRY_MS = 100

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const work = JSON.parse(String((await lines.next()).value)) as TortureWork
const { companyId } = work
const pool = new pg.Pool({ connectionString: work.databaseUrl, max: 8 })
pool.on('error', () => undefined)
const redis = createRedis({ path: work.redisPath }, {})
redis.on('error', () => undefined)
const keys = createKeys()
const source = new RegisterRows({ pool })
const store = new StockLedger({ pool, warehouses: anyWarehouse, deadlineMs: 60_000 })
const registers = new Registers({ redis, keys, source })
const stock = new Stock({ store, registers, source })
const relay = new OutboxRelay({ redis, keys, outbox: new Outbox({ pool }) })
const sweeper = new ReservationSweeper({ stock, everyMs: 20 })
const ledger = new Ledger({ pool, accounts: anyAccount, deadlineMs: 60_000 })
const balances = new BalanceCache({ registers, source })
const events = new EventRelay({ redis, keys, source: new EventLog({ pool }), backoffMsMax: 500 })
if (work.voucherShare > 0) events.start()
relay.start()
sweeper.start()

const random = seededRandom(work.seed * 7 + work.from)
let next = work.from
let sent = 0

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** What a caller was told, in 32 bits: the same movement must always have the same. */
function hashOf(images: readonly RegisterImage[]): number {
  const text = images
    .map(({ ref, version, fields }) => [...ref.parts, version, ...fields].join(' '))
    .join(';')
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash
}

/** Sends until there is an answer for good, as the errors say: what may be tried again is, with the same id. */
async function told(
  space: string,
  id: string,
  call: () => Promise<{ readonly images: readonly RegisterImage[] }>,
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    sent += 1
    try {
      say(`done ${space} ${id} ${hashOf((await call()).images)}`)
      return true
    } catch (error) {
      const code = String(Reflect.get(error as object, 'code'))
      if (!isRetryableError(error) || attempt === ATTEMPTS_MAX) {
        say(`refused ${id} ${code}`)
        return false
      }
      say(`retried ${code}`)
      await wait(RETRY_MS)
    }
  }
}

async function post(seed: number, n: number): Promise<void> {
  const voucher = voucherOp(companyId, seed, n)
  await told('voucher', voucher.id, async () => {
    const posted = await ledger.post(voucher)
    await balances.apply(posted)
    return posted
  })
}

async function send(seed: number, n: number): Promise<void> {
  if (isVoucher(seed, n, work.voucherShare)) return post(seed, n)
  const op: StockOp = stockOp(seed, n)
  const id = stockOpId(seed, n)
  const ids = { companyId, movementId: id, reservationId: id }
  if (op.kind === 'adjust') {
    await told('move', id, () => stock.adjust({ ...ids, ...op }))
  } else if (op.kind === 'transfer') {
    await told('move', id, () => stock.transfer({ ...ids, ...op }))
  } else if (await told('hold', id, () => stock.reserve({ ...ids, ...op }))) {
    const { ending } = op
    if (ending !== 'none') await told('settle', id, () => stock[ending](ids))
  }
}

/** A movement that was sent before, by this process or another one. */
async function sendEarlierAgain(): Promise<void> {
  const seed = work.seeds[Math.floor(random.fraction() * work.seeds.length)] ?? work.seed
  const n = Math.max(0, next - 1 - Math.floor(random.fraction() * 300))
  await send(seed, n)
}

async function readSome(): Promise<void> {
  const refs = ITEMS.flatMap((item) => WAREHOUSES.map((warehouse) => ({ item, warehouse })))
  // On a busy machine a read may run out of time: it says so, which is no wrong figure.
  const levels = await stock.getMany(companyId, refs).catch((error: unknown) => {
    if (isRetryableError(error)) return []
    throw error
  })
  for (const { onHand, reserved } of levels) {
    if (reserved < 0n || onHand < reserved) say(`negative ${onHand} ${reserved}`)
  }
}

async function caller(): Promise<void> {
  while (next < work.to) {
    const n = next
    next += 1
    const twice = random.fraction() < 0.1
    await Promise.all(twice ? [send(work.seed, n), send(work.seed, n)] : [send(work.seed, n)])
    say(`passed ${n}`)
    if (random.fraction() < 0.1) await sendEarlierAgain()
    if (random.fraction() < 0.02) await readSome()
  }
}

await Promise.all(Array.from({ length: work.callers }, caller))
say(`over ${sent}`)
await sweeper.close()
await relay.close()
await events.close()
await store.close()
await ledger.close()
await pool.end()
redis.disconnect()
process.exit(0)
