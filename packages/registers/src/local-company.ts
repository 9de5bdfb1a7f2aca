/**
 * What a process holds of one company, and how far it has followed the company's pushes.
 *
 * The position moves only along pushes whose `from` it stands at; whatever else is heard drops everything. Each drop
 * raises the incarnation, so that an answer that was asked for before it cannot come in after it.
 */

import type { LocalTierDrop, RegisterFamily, RegisterRef } from '@kerp/core'
import { type LocalEntry, type LocalPlace, RELAYED } from './local-reading.js'
import { hasReached, isMoment, type PositionOrder } from './position.js'
import type { RegisterPush } from './push.js'
import { splitImageText, type Watermark } from './register.js'
import type { Echo } from './trust-gate.js'

/** The rows of one place by their first part. */
export interface LocalRows {
  readonly place: LocalPlace
  readonly rows: Map<string, LocalEntry>
}

/** Rows of one family by their second part. */
type Table = Map<string, LocalRows>

/** Finds the row that a register's key names; undefined for a key that is no register's of the company. */
export type KeyReader = (key: string) => RegisterRef | undefined

/** Why a push dropped all that was held. */
export type PushDrop = Extract<LocalTierDrop['reason'], 'gap' | 'generation' | 'fork'>

/** How many rows and bytes a change added, or took away. */
export interface SizeChange {
  entries: number
  bytes: number
}

/** What an entry costs beside its texts, in bytes: the object, its place in the map, headers of texts, its last answer. */
const ENTRY_BYTES = 500

/** The rows of one company in one process. */
export class LocalCompany {
  readonly companyId: string
  readonly size: SizeChange
  /** Rows answered from here that were not told of yet. */
  readonly hits = { balance: 0, inventory: 0 }
  /** When it was last read, by the monotonic clock. */
  usedMs: number
  /** Raised by each drop and each removal: an answer asked for before is not taken in. */
  incarnation = 0
  /** How far the pushes were followed without a gap; undefined while that is unknown. */
  mark: Watermark | undefined
  /** When the probe was sent whose target the position has reached. */
  trusted: Pick<Echo, 'probe' | 'sentMs' | 'sentWallMs'> = NEVER
  /**
   * The millisecond of the wall clock in which `trusted` was last found young enough by both clocks. Only a clock set
   * back to this very millisecond, while the process was stopped, could make it say more than that: for a millisecond.
   */
  vouchedWallMs = Number.NaN
  readonly #order: PositionOrder
  readonly #readKey: KeyReader
  readonly #balance: Table = new Map()
  readonly #inventory: Table = new Map()
  /** Where the last row was looked for: most reads in a row are of one fiscal year, or one warehouse. */
  #last: LocalRows | undefined

  /** `size` is shared by all companies of the tier. */
  constructor(
    companyId: string,
    parts: {
      readonly order: PositionOrder
      readonly readKey: KeyReader
      readonly size: SizeChange
      readonly nowMs: number
    },
  ) {
    this.companyId = companyId
    this.#order = parts.order
    this.#readKey = parts.readKey
    this.size = parts.size
    this.usedMs = parts.nowMs
  }

  /** The row as it is held, whatever that is worth now. */
  find(family: RegisterFamily, first: string, second: string): LocalEntry | undefined {
    const last = this.#last
    if (last !== undefined && last.place.second === second && last.place.family === family) {
      return last.rows.get(first)
    }
    const table = this.#table(family).get(second)
    if (table === undefined) return undefined
    this.#last = table
    return table.rows.get(first)
  }

  /** All tables, for searches for room and samples. */
  *tables(): Generator<LocalRows> {
    yield* this.#balance.values()
    yield* this.#inventory.values()
  }

  /** Forgets everything, until pushes say again where the company stands. */
  drop(): void {
    this.incarnation += 1
    this.mark = undefined
    this.trusted = NEVER
    this.vouchedWallMs = Number.NaN
    for (const { rows } of this.tables()) {
      for (const entry of rows.values()) this.#count(-1, entry)
    }
    this.#last = undefined
    this.#balance.clear()
    this.#inventory.clear()
  }

  /** Follows a push; says why it dropped everything, if it did. `probe` is the newest that was sent. */
  hear(push: RegisterPush, probe: number): PushDrop | undefined {
    const { mark } = this
    if (mark === undefined) {
      this.#stand(push)
      return undefined
    }
    if (push.generation !== mark.generation || push.epoch !== mark.epoch)
      return this.#startOver(push, 'generation')
    const isMove = push.to !== '' && push.from === mark.position
    if (push.to !== '' && !isMove && !hasReached(this.#order, mark.position, push.to)) {
      return this.#startOver(push, 'gap')
    }
    const heardAfterProbe = push.to === '' ? probe : RELAYED
    for (const { key, imageText } of push.entries) {
      if (this.#merge(key, imageText, heardAfterProbe) === 'fork') return this.#startOver(push, 'fork')
    }
    if (isMove) this.#stand(push)
    return undefined
  }

  /** A relay has told how far it is: the rows are as new as the echoed probe if the position has reached its target. */
  trust(echo: Echo): void {
    const { mark } = this
    if (mark === undefined || mark.epoch !== echo.epoch || echo.probe < this.trusted.probe) return
    if (hasReached(this.#order, mark.position, echo.target)) this.trusted = echo
  }

  /**
   * Takes in a row that Redis held under `watermark`, for whoever asked in `incarnation`. A row that was asked for
   * before a drop, or whose watermark is behind the pushes, may lack a change that nobody will push again. It is kept
   * under what its key says, as pushes name it, however its asker spelt it.
   */
  admit(
    key: string,
    row: Pick<LocalEntry, 'version' | 'text'>,
    evidence: { readonly incarnation: number; readonly watermark: Watermark; readonly probe: number },
  ): 'admitted' | 'refused' | 'fork' {
    const { mark } = this
    const { watermark, incarnation, probe } = evidence
    if (mark === undefined || incarnation !== this.incarnation) return 'refused'
    if (watermark.generation !== mark.generation || watermark.epoch !== mark.epoch) return 'refused'
    if (!hasReached(this.#order, watermark.position, mark.position)) return 'refused'
    const ref = this.#readKey(key)
    if (ref === undefined) return 'refused'
    const { family } = ref
    const held = this.find(family, ref.parts[0], ref.parts[1])
    if (held !== undefined) return this.#replace(held, row, probe) === 'fork' ? 'fork' : 'admitted'
    const { place, rows } = this.#rowsOf(family, ref.parts[1])
    const first = ownText(ref.parts[0])
    const { version } = row
    const entry: LocalEntry = {
      place,
      first,
      version,
      text: ownText(row.text),
      isUsed: false,
      heardAfterProbe: probe,
      answer: undefined,
      answerMaker: undefined,
      answerVersion: -1,
      answerMark: undefined,
    }
    rows.set(first, entry)
    this.#count(1, entry)
    return 'admitted'
  }

  /**
   * Merges rows that this process committed; of another history than what is held, they are dropped. `probe` is the newest
   * that was sent: only what is vouched for by a later one covers them.
   */
  commit(
    epoch: string,
    entries: readonly { readonly key: string; readonly image: string }[],
    probe: number,
  ): 'fork' | undefined {
    for (const { key, image } of entries) {
      if (this.mark?.epoch !== epoch) this.void(key)
      else if (this.#merge(key, image, probe) === 'fork') return 'fork'
    }
    return undefined
  }

  /** Forgets a row; whatever was asked for before may still carry it. */
  void(key: string): void {
    this.#merge(key, undefined, 0)
  }

  /** Whether a row is part of the moment at which the company's position stands: neither behind it nor ahead. */
  isAtMark(entry: LocalEntry): boolean {
    return (
      this.mark !== undefined && isMoment(this.mark.position) && entry.heardAfterProbe < this.trusted.probe
    )
  }

  /** Removes a row for want of room. */
  evict(entry: LocalEntry): void {
    const { family, second } = entry.place
    if (this.#table(family).get(second)?.rows.delete(entry.first) === true) this.#count(-1, entry)
  }

  #table(family: RegisterFamily): Table {
    return family === 'balance' ? this.#balance : this.#inventory
  }

  #rowsOf(family: RegisterFamily, second: string): LocalRows {
    const table = this.#table(family)
    const known = table.get(second)
    if (known !== undefined) return known
    const place = { companyId: this.companyId, family, second: ownText(second) }
    const added = { place, rows: new Map<string, LocalEntry>() }
    table.set(place.second, added)
    return added
  }

  #startOver(push: RegisterPush, reason: PushDrop): PushDrop {
    this.drop()
    this.#stand(push)
    return reason
  }

  #stand({ generation, epoch, to, asOfMs }: RegisterPush): void {
    if (to !== '') this.mark = { generation, epoch, position: to, asOfMs }
  }

  #merge(key: string, imageText: string | undefined, heardAfterProbe: number): 'fork' | undefined {
    // Whatever was asked for before a removal may still carry what was removed.
    if (imageText === undefined) this.incarnation += 1
    const ref = this.#readKey(key)
    if (ref === undefined) return undefined
    const entry = this.find(ref.family, ref.parts[0], ref.parts[1])
    if (entry === undefined) return undefined
    if (imageText === undefined) {
      this.evict(entry)
      return undefined
    }
    const { version, fields } = splitImageText(imageText)
    return this.#replace(entry, { version, text: fields }, heardAfterProbe)
  }

  /** Merges by the larger version. The same version with another value proves that histories forked. */
  #replace(
    held: LocalEntry,
    row: Pick<LocalEntry, 'version' | 'text'>,
    heardAfterProbe: number,
  ): 'fork' | undefined {
    if (row.version < held.version) return undefined
    if (row.version === held.version) {
      held.heardAfterProbe = Math.min(held.heardAfterProbe, heardAfterProbe)
      return row.text === held.text ? undefined : 'fork'
    }
    this.size.bytes += row.text.length - held.text.length
    held.version = row.version
    held.text = ownText(row.text)
    held.heardAfterProbe = heardAfterProbe
    return undefined
  }

  #count(sign: 1 | -1, entry: LocalEntry): void {
    this.size.entries += sign
    this.size.bytes += sign * (ENTRY_BYTES + entry.first.length + entry.text.length)
  }
}

const NEVER = { probe: 0, sentMs: Number.NEGATIVE_INFINITY, sentWallMs: Number.NEGATIVE_INFINITY }

/** A text of its own: a slice would keep the whole message, or request, that it was cut from. */
function ownText(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}
