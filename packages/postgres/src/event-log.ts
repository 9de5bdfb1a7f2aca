/** The log of events: gives each committed event its place in its company's one order, and reads them back. */

import {
  type Clock,
  observerOfPart,
  currentTraceparent,
  type EventAdvance,
  type EventAdvanceOptions,
  type EventHead,
  type EventHeads,
  type EventPage,
  type EventPageQuery,
  type EventSinks,
  type EventSource,
  type EventTracing,
  InvalidInputError,
  type Observer,
  type RandomSource,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import { arrayOf, textElement } from './array-text.js'
import { AUDIT_TIMES } from './audit-verdict.js'
import { Database } from './database.js'
import type { DatabaseClient, DatabasePool } from './database-pool.js'
import { appendParameters, type NewEvent } from './event-append.js'
import { auditEvents, type EventAudit } from './event-audit.js'
import { committedEventOf } from './event-payload.js'
import { adoptText } from './epoch.js'
import { type EventStatements, eventStatements } from './event-statements.js'
import { type EventRetention, type EventTrim, trimEvents } from './event-trim.js'
import { checkCompanyId, checkFields, limitText, resolveSchema } from './identifiers.js'
import { OutboxListener } from './outbox-listener.js'
import { checkQueryable, type Queryable } from './queryable.js'
import { assertWritten, textOf, textOrUndefined } from './row-text.js'
import { wakeChannel } from './wake-sender.js'

/** What a log of events is made of. */
export interface EventLogOptions {
  /** A `pg.Pool`; each `onWake` keeps one of its connections. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly observer?: Observer | undefined
  /** Gives the events that are written here the trace of their caller; `eventTracing()` of `@kerp/core/tracing`. */
  readonly tracing?: Pick<EventTracing, 'traceparent'> | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long a call may take, in ms; an audit may take twelve times as long. @defaultValue 5_000 */
  readonly deadlineMs?: number | undefined
}

const WEEK_MS = 7 * 86_400_000
/** Companies of one question for heads. */
const HEADS_MAX = 10_000
const SINK = /^[a-z0-9][a-z0-9._-]{0,62}$/
const POSITION = /^(?:0|[1-9]\d{0,17})$/

/**
 * Events of all companies of one database, numbered per company 1, 2, 3 … after their commit.
 *
 * Whoever advances the log, and however many do at once: each committed event gets one number, once, the numbers of
 * a company have no gap, later commits have larger ones, and a number never changes. Changes of one row keep their
 * order. Posting does not wait for any of it.
 */
export class EventLog implements EventSource, EventSinks {
  readonly #database: Database
  readonly #schema: string
  readonly #statements: EventStatements
  readonly #observer: Observer
  readonly #random: RandomSource
  readonly #tracing: EventLogOptions['tracing']
  readonly #deadlineMs: number

  constructor(options: EventLogOptions) {
    this.#database = Database.of('EventLog', options)
    this.#schema = resolveSchema('EventLog', options.schema)
    this.#statements = eventStatements(this.#schema)
    this.#observer = observerOfPart(options.observer)
    this.#random = options.random ?? systemRandom
    this.#tracing = options.tracing
    const bounds = { min: 10, max: 600_000, fallback: 5_000 }
    this.#deadlineMs = wholeNumberOption('EventLog', 'deadlineMs', options.deadlineMs, bounds)
  }

  /**
   * Numbers the changes that were committed since, at most `limit` (1 to 10,000) of them. Costs one statement that
   * only reads when there are none. Safe to repeat after any error.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable.
   */
  async advance(options: EventAdvanceOptions): Promise<EventAdvance> {
    const { limit, all = false } = checkFields('options', options)
    const values = [limitText(limit)]
    const look = (await this.#read('look', []))[0] ?? {}
    const epoch = textOf(look, 'epoch')
    const done =
      textOf(look, 'is_more') === 'true' || textOf(look, 'is_own') === 'false'
        ? await this.#number(values)
        : { epoch, heads: [], isMore: false }
    return all ? { ...done, heads: await this.#heads() } : done
  }

  /** Events after a position, at most `limit` (1 to 10,000). One statement, whose cost is that of its events. */
  async read(query: EventPageQuery): Promise<EventPage> {
    const { companyId, after, limit } = checkFields('query', query)
    const company = checkCompanyId(companyId, InvalidInputError)
    const values = [company, checkPosition(after, 'after'), limitText(limit)]
    const rows = await this.#read('read', values)
    const facts = rows[0] ?? {}
    const epoch = textOf(facts, 'epoch')
    return {
      epoch,
      trimmedTo: textOf(facts, 'trimmed_to'),
      events: rows.flatMap((row) => committedEventOf(company, epoch, row)),
    }
  }

  /** How far the logs of some companies go, at most 10,000 of them, in one statement. */
  async heads(companyIds: readonly string[]): Promise<EventHeads> {
    if (companyIds.length > HEADS_MAX) {
      throw new InvalidInputError('companyIds', `at most ${HEADS_MAX} companies`, companyIds)
    }
    const companies = companyIds.map((companyId) => textElement(checkCompanyId(companyId, InvalidInputError)))
    const rows = await this.#read('headsOf', [arrayOf(companies)])
    return { epoch: textOf(rows[0] ?? {}, 'epoch'), heads: rows.flatMap(headOf) }
  }

  /** Resolves after the first attempt to connect, whether or not it succeeded; later ones go on by themselves. */
  async onWake(wake: () => void): Promise<{ close(): Promise<void> }> {
    const listener = new OutboxListener(this.#database, wakeChannel(this.#schema), this.#random, wake)
    await listener.open()
    return listener
  }

  /**
   * Writes an event in a transaction of its own. Tried once: after an error it is not known whether it was written.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`: nothing was written.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`.
   * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE`: a rule or trigger dropped it; nothing was written.
   */
  async append(event: NewEvent): Promise<void> {
    const values = this.#written(event)
    await this.#database.once('writing an event', this.#deadlineMs, async (client) => {
      const { rows } = await client.query({ text: this.#statements.append, values })
      assertWritten(rows[0] ?? {}, 1, 'an event')
    })
  }

  /**
   * Writes an event in the caller's transaction, together with the change that it tells. As for `postWithin`, errors
   * of the driver pass through and leave the transaction to the caller.
   */
  async appendWithin(queryable: Queryable, event: NewEvent): Promise<void> {
    const { rows } = await checkQueryable(queryable).query(this.#statements.append, this.#written(event))
    assertWritten(rows[0] ?? {}, 1, 'an event')
  }

  /** Remembers how far a reader of the log got; its name is up to 63 of `a-z 0-9 . _ -`. */
  async reached(sink: string, heads: readonly EventHead[]): Promise<void> {
    const values = [
      checkSink(sink),
      arrayOf(heads.map(({ companyId }) => textElement(checkCompanyId(companyId, InvalidInputError)))),
      arrayOf(heads.map(({ position }) => checkPosition(position, 'position'))),
    ]
    await this.#transact('noting a reader', (client) =>
      client.query({ text: this.#statements.reached, values }),
    )
  }

  /** What `reached` remembered for a sink. */
  async positions(sink: string): Promise<readonly EventHead[]> {
    return (await this.#read('sink', [checkSink(sink)])).flatMap(headOf)
  }

  /** For a reader that will not come back: its position no longer holds back retention. */
  async forgetSink(sink: string): Promise<void> {
    const values = [checkSink(sink)]
    await this.#transact('forgetting a reader', (client) =>
      client.query({ text: this.#statements.forgetSink, values }),
    )
  }

  /**
   * Deletes events that are older than the horizon and that every sink has read. Those beyond the larger horizon go
   * all the same, which `eventTrim` observes as `lost`. Call it regularly; safe to run from several processes.
   */
  async trim(retention: EventRetention = {}): Promise<EventTrim> {
    const olderThanMs = ageOf('olderThanMs', retention.olderThanMs, { min: 0, fallback: WEEK_MS })
    const horizon = { min: olderThanMs, fallback: Math.min(4 * olderThanMs, Number.MAX_SAFE_INTEGER) }
    const olderThanMsMax = ageOf('olderThanMsMax', retention.olderThanMsMax, horizon)
    return trimEvents(this.#database, this.#schema, this.#observer, { olderThanMs, olderThanMsMax })
  }

  /**
   * Compares the log of a company with what was committed, in one statement: positions without a gap, one event for
   * each voucher and each approval, and the newest event of each row equal to the row. Reads the whole log.
   */
  async audit(companyId: string): Promise<EventAudit> {
    const company = checkCompanyId(companyId, InvalidInputError)
    return auditEvents(this.#database, this.#schema, this.#deadlineMs * AUDIT_TIMES, company)
  }

  #written(event: NewEvent): (string | null)[] {
    return appendParameters(event, wakeChannel(this.#schema), currentTraceparent(this.#tracing))
  }

  async #number(values: string[]): Promise<EventAdvance> {
    return this.#transact('numbering events', async (client) => {
      let facts = (await client.query({ text: this.#statements.lock })).rows[0] ?? {}
      if (textOf(facts, 'is_own') === 'false') {
        await client.query({ text: adoptText(this.#schema) })
        facts = (await client.query({ text: this.#statements.lock })).rows[0] ?? {}
      }
      const inside = textOf(facts, 'inside') === 'true' ? 'numberNext' : 'numberFirst'
      const statement = textOf(facts, 'same') === 'true' ? inside : 'adopt'
      const { rows } = await client.query({ text: this.#statements[statement], values })
      return {
        epoch: textOf(facts, 'epoch'),
        heads: rows.flatMap(headOf),
        isMore: textOf(rows[0] ?? {}, 'is_more') === 'true',
      }
    })
  }

  async #heads(): Promise<readonly EventHead[]> {
    return (await this.#read('heads', [])).flatMap(headOf)
  }

  #transact<T>(operation: string, work: (client: DatabaseClient) => Promise<T>): Promise<T> {
    return this.#database.transact(operation, this.#deadlineMs, work)
  }

  #read(statement: keyof EventStatements, values: string[]): Promise<readonly Record<string, unknown>[]> {
    return this.#database.read('reading events', this.#deadlineMs, {
      text: this.#statements[statement],
      values,
    })
  }
}

function headOf(row: Readonly<Record<string, unknown>>): readonly EventHead[] {
  const companyId = textOrUndefined(row, 'company')
  return companyId === undefined ? [] : [{ companyId, position: textOf(row, 'position') }]
}

function ageOf(
  option: string,
  value: unknown,
  bounds: { readonly min: number; readonly fallback: number },
): number {
  return wholeNumberOption('EventLog.trim', option, value, bounds)
}

function checkPosition(position: unknown, field: string): string {
  if (typeof position === 'string' && POSITION.test(position)) return position
  throw new InvalidInputError(field, 'a position of the log as decimal text', position)
}

function checkSink(sink: unknown): string {
  if (typeof sink === 'string' && SINK.test(sink)) return sink
  throw new InvalidInputError('sink', 'up to 63 of a-z 0-9 . _ -', sink)
}
