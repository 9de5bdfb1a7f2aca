/**
 * The effect of an event exactly once, although the event comes again: a row that says so, in the transaction of the
 * effect.
 */

import { InvalidInputError } from '@kerp/core'
import { checkQueryable, type Queryable } from './queryable.js'
import { checkCompanyId, checkFields, isWellFormed, resolveSchema } from './identifiers.js'
import { MAKE_DURABLE } from './transaction-statements.js'

/** Two of them, each character of three bytes, still fit into an index. */
const TEXT_LENGTH_MAX = 256

/** Which effect: that of one event in one durable group. */
export interface EventEffectRef {
  /** As `eventId` 1 to 256 characters without NUL. */
  readonly group: string
  readonly companyId: string
  readonly eventId: string
  /** Of `migrate`. @defaultValue 'kerp' */
  readonly schema?: string | undefined
}

/**
 * Calls `effect` if the group did not have it before, inside the caller's transaction, and answers whether it did. The
 * effect and the row that remembers it are committed or rolled back together; a second process that has the same event
 * waits for the first one's COMMIT.
 *
 * Cost: one row per event and group, for as long as an event may come again; delete older ones by `happened_at`.
 *
 * @throws {InvalidInputError} `INVALID_INPUT`, and whatever `effect` throws: roll back then.
 * @example
 * await client.query('BEGIN')
 * await effectOnce(client, { group: 'mailer', companyId, eventId: '42' }, () =>
 *   client.query('UPDATE mail SET wanted = true'),
 * )
 * await client.query('COMMIT')
 */
export async function effectOnce(
  queryable: Queryable,
  ref: EventEffectRef,
  effect: () => Promise<unknown>,
): Promise<boolean> {
  checkQueryable(queryable)
  const { group, companyId, eventId } = checkFields('ref', ref)
  const schema = resolveSchema('effectOnce', ref.schema)
  checkCompanyId(companyId, InvalidInputError)
  checkText('group', group)
  checkText('eventId', eventId)
  const { rows } = await queryable.query(
    `INSERT INTO ${schema}.event_effect (consumer_group, company, event_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING event_id, ${MAKE_DURABLE}`,
    [group, companyId, eventId],
  )
  if (rows.length === 0) return false
  await effect()
  return true
}

function checkText(field: string, value: unknown): void {
  const isText = typeof value === 'string' && value.length > 0 && value.length <= TEXT_LENGTH_MAX
  if (isText && !value.includes('\0') && isWellFormed(value)) return
  throw new InvalidInputError(field, `a text of 1 to ${TEXT_LENGTH_MAX} characters without NUL`, value)
}
