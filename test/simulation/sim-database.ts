/**
 * A model of the database: rows with versions under locks, an outbox, snapshots, and a history that may go back.
 *
 * A failover is another `SimDatabase` made from an older copy: its epoch is the next one, and transactions of the lost
 * one never commit.
 */

import type { Rules } from './rules.js'

/** A moment of the database: which transactions had committed. */
export interface Snapshot {
  readonly xmax: number
  readonly inProgress: readonly number[]
}

interface SimRow {
  version: number
  debit: number
  credit: number
}

/** What a row of the outbox says. */
export type SimChange =
  | { readonly kind: 'image'; readonly account: string; readonly image: string }
  | { readonly kind: 'void'; readonly account: string }
  | { readonly kind: 'voidAll' }

interface SimOutboxRow {
  readonly id: number
  readonly xid: number
  readonly change: SimChange
}

/** One amount on one account: above zero a debit, below zero a credit. */
export interface SimLine {
  readonly account: string
  readonly amount: number
}

const VERSION_DIGITS = 16

function imageOf(version: number, debit: number, credit: number): string {
  return `${String(version).padStart(VERSION_DIGITS, '0')}|${debit}|${credit}`
}

export function versionOf(image: string): number {
  return Number(image.slice(0, VERSION_DIGITS))
}

function formatSnapshot({ xmax, inProgress }: Snapshot): string {
  return `${xmax}:${inProgress.join(',')}`
}

function parseSnapshot(text: string): Snapshot {
  const [xmax = '0', inProgress = ''] = text.split(':')
  return { xmax: Number(xmax), inProgress: inProgress === '' ? [] : inProgress.split(',').map(Number) }
}

function isVisible(xid: number, { xmax, inProgress }: Snapshot): boolean {
  return xid < xmax && !inProgress.includes(xid)
}

/** Whether everything that `earlier` shows is shown by `later` too. */
export function covers(later: string, earlier: string): boolean {
  if (later === earlier) return true
  const [one, other] = [parseSnapshot(later), parseSnapshot(earlier)]
  return one.xmax >= other.xmax && one.inProgress.every((xid) => !isVisible(xid, other))
}

/** One transaction: what it changed is seen by nobody before it commits. */
export class SimTransaction {
  readonly rows = new Map<string, SimRow>()
  readonly written: SimOutboxRow[] = []
  readonly lines: SimLine[] = []

  constructor(
    readonly database: SimDatabase,
    readonly xid: number,
  ) {}

  images(): readonly { readonly account: string; readonly image: string }[] {
    return [...this.rows].map(([account, { version, debit, credit }]) => ({
      account,
      image: imageOf(version, debit, credit),
    }))
  }
}

export class SimDatabase {
  readonly epoch: string
  readonly rows: Map<string, SimRow>
  outbox: SimOutboxRow[]
  lines: SimLine[]
  trimmedTo: string | undefined
  isLost = false
  #nextXid: number
  #nextId: number
  readonly #open = new Set<SimTransaction>()
  readonly #locks = new Map<string, SimTransaction>()
  readonly #rules: Rules

  constructor(rules: Rules, from?: SimDatabase, epoch = 'e1') {
    this.#rules = rules
    this.epoch = epoch
    this.rows = new Map([...(from?.rows ?? [])].map(([account, row]) => [account, { ...row }]))
    this.outbox = [...(from?.outbox ?? [])]
    this.lines = [...(from?.lines ?? [])]
    this.trimmedTo = from?.trimmedTo
    this.#nextXid = from?.xmax ?? 1
    this.#nextId = from?.nextId ?? 1
  }

  get xmax(): number {
    return this.#nextXid
  }

  get nextId(): number {
    return this.#nextId
  }

  /** What a standby that has replayed everything holds: open transactions are not in it. */
  copy(epoch: string): SimDatabase {
    return new SimDatabase(this.#rules, this, epoch)
  }

  image(account: string): string {
    const { version, debit, credit } = this.rows.get(account) ?? { version: 0, debit: 0, credit: 0 }
    return imageOf(version, debit, credit)
  }

  // ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────

  begin(): SimTransaction {
    const transaction = new SimTransaction(this, this.#nextXid)
    this.#nextXid += 1
    this.#open.add(transaction)
    return transaction
  }

  /** Whether the row is now locked by the transaction. */
  lock(transaction: SimTransaction, account: string): boolean {
    const holder = this.#locks.get(account)
    if (holder !== undefined && holder !== transaction) return false
    this.#locks.set(account, transaction)
    return true
  }

  /** Posts a batch: one voucher for each pair of lines, versions grow by one per voucher that touches a row. */
  post(transaction: SimTransaction, vouchers: readonly (readonly SimLine[])[]): void {
    for (const voucher of vouchers) {
      const touched = new Set<string>()
      for (const line of voucher) {
        const isFirst = !touched.has(line.account)
        touched.add(line.account)
        transaction.lines.push(line)
        const row = this.#changing(transaction, line.account)
        if (isFirst) row.version += 1
        // `UPDATE … FROM (VALUES …)` with a key twice adds once.
        if (!isFirst && !this.#rules.holds('sumPerRow')) continue
        if (line.amount > 0) row.debit += line.amount
        else row.credit -= line.amount
      }
    }
    for (const { account, image } of transaction.images())
      this.#write(transaction, { kind: 'image', account, image })
  }

  /** A repair by hand: the row changes without an image in the outbox; a control row may say so. */
  repair(transaction: SimTransaction, account: string, control: SimChange | undefined): void {
    const row = this.#changing(transaction, account)
    row.version += 1
    row.debit += 1
    transaction.lines.push({ account, amount: 1 })
    if (control !== undefined) this.#write(transaction, control)
  }

  /** Answers the command tag. */
  commit(transaction: SimTransaction, isBroken: boolean): 'COMMIT' | 'ROLLBACK' | 'lost' {
    if (this.isLost) return 'lost'
    this.#end(transaction)
    if (isBroken) return 'ROLLBACK'
    for (const [account, row] of transaction.rows) this.rows.set(account, row)
    this.outbox.push(...transaction.written)
    this.lines.push(...transaction.lines)
    return 'COMMIT'
  }

  #changing(transaction: SimTransaction, account: string): SimRow {
    let row = transaction.rows.get(account)
    if (row === undefined) {
      row = { ...(this.rows.get(account) ?? { version: 0, debit: 0, credit: 0 }) }
      transaction.rows.set(account, row)
    }
    return row
  }

  #write(transaction: SimTransaction, change: SimChange): void {
    transaction.written.push({ id: this.#nextId, xid: transaction.xid, change })
    this.#nextId += 1
  }

  #end(transaction: SimTransaction): void {
    this.#open.delete(transaction)
    for (const [account, holder] of this.#locks) if (holder === transaction) this.#locks.delete(account)
  }

  // ── The outbox ─────────────────────────────────────────────────────────────────────────────────────────────

  position(): string {
    if (this.#rules.holds('snapshotCursor')) {
      return formatSnapshot({ xmax: this.#nextXid, inProgress: [...this.#open].map(({ xid }) => xid) })
    }
    // The textbook cursor: the last id that can be seen.
    return `${this.outbox.reduce((last, { id }) => Math.max(last, id), 0)}:`
  }

  /** The changes that `target` shows and `after` does not, in order. */
  between(after: string, target: string): readonly SimChange[] {
    const [from, to] = [parseSnapshot(after), parseSnapshot(target)]
    const isWanted = this.#rules.holds('snapshotCursor')
      ? ({ xid }: SimOutboxRow): boolean => !isVisible(xid, from) && isVisible(xid, to)
      : ({ id }: SimOutboxRow): boolean => id > from.xmax && id <= to.xmax
    return this.outbox
      .filter(isWanted)
      .sort((one, other) => one.id - other.id)
      .map(({ change }) => change)
  }

  /** Deletes all rows but the last, and says up to where. */
  trim(): void {
    if (this.outbox.length < 2) return
    this.trimmedTo = this.position()
    const last = this.outbox.reduce((one, other) => (one.id > other.id ? one : other))
    this.outbox = [last]
  }

  /** Accounts whose row is not the sum of its lines. */
  wrongSums(): readonly string[] {
    const sums = new Map<string, number>()
    for (const { account, amount } of this.lines) sums.set(account, (sums.get(account) ?? 0) + amount)
    return [...this.rows].flatMap(([account, { debit, credit }]) =>
      debit - credit === (sums.get(account) ?? 0) ? [] : [account],
    )
  }
}
