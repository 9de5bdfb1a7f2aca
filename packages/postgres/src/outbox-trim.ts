/** Retention of the outbox: what was committed long ago is deleted, and a reader that slept through it can tell. */

import type { OutboxPosition } from '@kerp/core'
import type { Database } from './database.js'
import { adoptDatabase } from './epoch.js'
import type { OutboxStatements } from './outbox-statements.js'
import { textOf, textOrUndefined } from './row-text.js'

/** What `trim` did. */
export interface OutboxTrim {
  readonly deleted: number
  /** The position up to which rows may be missing now; undefined while nothing was ever trimmed. */
  readonly trimmedTo: OutboxPosition | undefined
}

const CHUNK_ROWS = 5_000
const CHUNK_DEADLINE_MS = 10_000
const CHUNKS_MAX = 1_000

/** At most five million rows per call, in transactions of 5,000. */
export async function trimOutbox(
  database: Database,
  statements: OutboxStatements,
  schema: string,
  olderThanMs: number,
): Promise<OutboxTrim> {
  await adoptDatabase(database, schema)
  let deleted = 0
  for (let chunk = 0; chunk < CHUNKS_MAX; chunk += 1) {
    const step = await database.transact('trimming the outbox', CHUNK_DEADLINE_MS, async (client) => {
      const age = [String(olderThanMs)]
      // One trimmer at a time; readers are not held up by this lock.
      await client.query({ text: `LOCK TABLE ${schema}.outbox_trim IN EXCLUSIVE MODE` })
      await client.query({ text: statements.mark, values: age })
      const mark = (await client.query({ text: statements.findMark, values: age })).rows[0]
      if (mark === undefined) return 0
      const values = [textOf(mark, 'snapshot'), textOf(mark, 'taken_at'), String(CHUNK_ROWS)]
      const done = await client.query({ text: statements.trim, values })
      return Number(textOf(done.rows[0] ?? {}, 'deleted'))
    })
    deleted += step
    if (step < CHUNK_ROWS) break
  }
  const [row] = await database.read('trimming the outbox', CHUNK_DEADLINE_MS, { text: statements.readTrim })
  return { deleted, trimmedTo: row === undefined ? undefined : textOrUndefined(row, 'trimmed_to') }
}
