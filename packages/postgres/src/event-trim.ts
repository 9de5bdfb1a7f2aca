/** Retention of the log of events: what is old is deleted, but never what a reader of the log still has to read. */

import type { Complete, Observer } from '@kerp/core'
import type { Database } from './database.js'
import { textOf } from './row-text.js'

/** For how long events are kept. */
export interface EventRetention {
  /** Events older than this go, if every sink has them. @defaultValue 7 days */
  readonly olderThanMs?: number | undefined
  /** Events older than this go even if a sink has not read them, which is observed. @defaultValue four times `olderThanMs` */
  readonly olderThanMsMax?: number | undefined
}

/** What `trim` did. */
export interface EventTrim {
  readonly deleted: number
  /** Companies whose old events were kept for a sink that has not read them. */
  readonly heldBack: number
  /** Events that were deleted although a sink had not read them. */
  readonly lost: number
}

const CHUNK_EVENTS = 5_000
const CHUNK_DEADLINE_MS = 10_000
const CHUNKS_MAX = 1_000

interface Cut {
  readonly deleted: number
  readonly lost: number
  readonly isHeld: boolean
}

/** At most five million events of each company per call, in transactions of 5,000. */
export async function trimEvents(
  database: Database,
  schema: string,
  observer: Observer,
  { olderThanMs, olderThanMsMax }: Complete<EventRetention>,
): Promise<EventTrim> {
  const heads = await database.read('trimming events', CHUNK_DEADLINE_MS, {
    text: `SELECT h.company FROM ${schema}.event_head h WHERE h.trimmed_to < h.position ORDER BY h.company`,
  })
  const total = { deleted: 0, heldBack: 0, lost: 0 }
  const text = trimText(schema)
  for (const head of heads) {
    const values = [
      textOf(head, 'company'),
      String(olderThanMs),
      String(olderThanMsMax),
      String(CHUNK_EVENTS),
    ]
    for (let chunk = 0; chunk < CHUNKS_MAX; chunk += 1) {
      const cut = await trimChunk(database, text, values)
      total.deleted += cut.deleted
      total.lost += cut.lost
      if (cut.deleted === CHUNK_EVENTS) continue
      if (cut.isHeld) total.heldBack += 1
      break
    }
  }
  observer.eventTrim?.(total)
  return total
}

async function trimChunk(database: Database, text: string, values: string[]): Promise<Cut> {
  const rows = await database.transact('trimming events', CHUNK_DEADLINE_MS, async (client) => {
    return (await client.query({ text, values })).rows
  })
  const row = rows[0] ?? {}
  return {
    deleted: Number(textOf(row, 'deleted')),
    lost: Number(textOf(row, 'lost')),
    isHeld: textOf(row, 'is_held') === 'true',
  }
}

/** A cut never passes over an event that is young enough to stay, as positions have no gap. */
function trimText(schema: string): string {
  const older = (parameter: string): string =>
    `e.written_at < clock_timestamp() - ${parameter}::text::double precision * interval '1 millisecond'`
  const cut = (flag: string): string =>
    `coalesce((SELECT min(position) - 1 FROM page WHERE NOT ${flag}), (SELECT max(position) FROM page))`
  return `
WITH RECURSIVE sinks AS (
  (SELECT s.name FROM ${schema}.event_sink s ORDER BY s.name LIMIT 1)
  UNION ALL
  SELECT (SELECT s.name FROM ${schema}.event_sink s WHERE s.name > sinks.name ORDER BY s.name LIMIT 1)
  FROM sinks WHERE sinks.name IS NOT NULL
), head AS MATERIALIZED (
  SELECT trimmed_to FROM ${schema}.event_head WHERE company = $1 FOR UPDATE
), page AS MATERIALIZED (
  SELECT e.position, e.outbox_id, ${older('$2')} AS is_old, ${older('$3')} AS is_overdue
  FROM ${schema}.event e CROSS JOIN head WHERE e.company = $1 AND e.position > head.trimmed_to
  ORDER BY e.position LIMIT $4::text::integer
), slowest AS (
  -- A sink that is known for any company has read nothing of those that it has not named.
  SELECT min(coalesce(r.position, 0)) AS position
  FROM sinks LEFT JOIN ${schema}.event_sink r ON r.name = sinks.name AND r.company = $1
  WHERE sinks.name IS NOT NULL
), cut AS MATERIALIZED (
  SELECT s.position AS slowest, o.old, greatest(least(o.old, s.position), o.overdue) AS position
  FROM (SELECT ${cut('is_old')} AS old, ${cut('is_overdue')} AS overdue) o, slowest s
), gone AS (
  DELETE FROM ${schema}.event e USING cut WHERE e.company = $1 AND e.position <= cut.position
  RETURNING e.type, e.position, e.outbox_id, e.version
), counted AS (
  INSERT INTO ${schema}.event_count (company, type, changes) SELECT $1, type, count(*) FROM gone GROUP BY type
  ON CONFLICT (company, type) DO UPDATE SET changes = event_count.changes + excluded.changes
), marked AS (
  UPDATE ${schema}.event_head h SET trimmed_to = g.position, trimmed_id = greatest(h.trimmed_id, g.outbox_id)
  FROM (SELECT max(position) AS position, max(outbox_id) AS outbox_id FROM gone) g
  WHERE h.company = $1 AND g.position IS NOT NULL
)
SELECT count(gone.position)::text AS deleted, (count(*) FILTER (WHERE gone.position > cut.slowest))::text AS lost,
  coalesce(bool_or(cut.old > cut.position), false)::text AS is_held
FROM cut LEFT JOIN gone ON true`
}
