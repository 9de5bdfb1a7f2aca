/** Events of a company: their history by HTTP, and the line of the audit that compares them with what was committed. */

import type { EventLog } from '@kerp/postgres'
import type { AuditLine } from './audit-line.js'
import type { Company } from './companies.js'
import { eventView, type EventView } from './http/event-view.js'
import { limitQuery, optionalTextField } from './http/fields.js'
import { companyOf, type HttpServer, queryFields } from './http/server.js'

/** A page of a company's history, the oldest first. */
export interface EventHistory {
  readonly events: readonly EventView[]
  /** The `after` of the next page; left out at the end. */
  readonly next?: string
  /** Up to here events were deleted, some of them after `after`: begin again with a snapshot. */
  readonly trimmedTo?: string
}

const LIMIT = { fallback: 100, max: 1_000 }
const ADVANCE_MAX = 5_000

/** What the database says of events; it does so whether or not Redis can be reached. */
export class EventHistories {
  constructor(private readonly log: EventLog) {}

  /** Numbers what was committed first, so that whoever posted and asks sees the posting. */
  async read(company: Company, after: string, limit: number): Promise<EventHistory> {
    await this.#advance()
    const page = await this.log.read({ companyId: company.id, after, limit })
    const last = page.events.at(-1)?.position
    return {
      events: page.events.map((event) => eventView(company, event)),
      ...(last !== undefined && page.events.length === limit ? { next: last } : {}),
      ...(BigInt(after) < BigInt(page.trimmedTo) ? { trimmedTo: page.trimmedTo } : {}),
    }
  }

  /** The line of the audit. */
  async audited(companyId: string): Promise<AuditLine> {
    await this.#advance()
    const { ok, position, trimmedTo, differencesTotal } = await this.log.audit(companyId)
    const kept = trimmedTo === '0' ? '' : `, those up to ${trimmedTo} deleted by age`
    return {
      name: 'events gap-free per company and equal to the committed changes',
      ok,
      figure: `${position} events${kept}`,
      differences: differencesTotal,
    }
  }

  async #advance(): Promise<void> {
    while ((await this.log.advance({ limit: ADVANCE_MAX })).isMore);
  }
}

/** Registers the route below `/companies/:company`. */
export function eventRoutes(server: HttpServer, histories: EventHistories): void {
  server.get('/events', (request) => {
    const query = queryFields(request)
    return histories.read(
      companyOf(request),
      optionalTextField(query, 'after') ?? '0',
      limitQuery(query, LIMIT),
    )
  })
}
