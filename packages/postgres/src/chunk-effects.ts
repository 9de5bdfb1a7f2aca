/**
 * Writes the effects of a chunk inside its transaction, and finds the items whose effects are refused: one that
 * violates a constraint must not keep two hundred others from being paid.
 */

import { type BatchEffects, type BatchFailure, type BatchItemDone, KerpError, thrownText } from '@kerp/core'
import type { DatabaseClient } from './database-pool.js'
import { type Queryable, queryableOf } from './queryable.js'
import { failureKindOf, sqlStateOf } from './sql-state.js'

/** What became of the items. */
export interface EffectOutcome {
  readonly written: number
  readonly refused: readonly BatchFailure[]
}

/**
 * Writes all, else each half, down to single items. What the transaction cannot survive is thrown, so that it is
 * repeated as a whole.
 */
export async function writeEffects<Result>(
  client: DatabaseClient,
  done: readonly BatchItemDone<Result>[],
  effects: BatchEffects<Queryable, Result>,
): Promise<EffectOutcome> {
  if (done.length === 0) return { written: 0, refused: [] }
  await client.query({ text: 'SAVEPOINT kerp_effects' })
  try {
    await effects(queryableOf(client), done)
    await client.query({ text: 'RELEASE SAVEPOINT kerp_effects' })
    return { written: done.length, refused: [] }
  } catch (error) {
    if (!(await isRefusal(client, error))) throw error
    const [first] = done
    if (first !== undefined && done.length === 1) {
      return { written: 0, refused: [{ itemId: first.itemId, ...reasonOf(error) }] }
    }
    const middle = Math.ceil(done.length / 2)
    const left = await writeEffects(client, done.slice(0, middle), effects)
    const right = await writeEffects(client, done.slice(middle), effects)
    return { written: left.written + right.written, refused: [...left.refused, ...right.refused] }
  }
}

/**
 * Whether it is certain that the same will be refused again. An error that says nothing of itself is the effects'
 * own, or that of a connection that is gone: the next statement tells them apart.
 */
async function isRefusal(client: DatabaseClient, error: unknown): Promise<boolean> {
  if (error instanceof KerpError ? error.retryable : isOfServer(error) && !isRejected(error)) return false
  return client.query({ text: 'ROLLBACK TO SAVEPOINT kerp_effects' }).then(
    () => true,
    () => false,
  )
}

function isOfServer(error: unknown): boolean {
  return sqlStateOf(error) !== undefined
}

function isRejected(error: unknown): boolean {
  return failureKindOf(error) === 'rejected'
}

const MESSAGE_MAX = 500

function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const state = sqlStateOf(error)
  const code =
    error instanceof KerpError ? error.code : state === undefined ? 'EFFECT_REFUSED' : `SQL_${state}`
  const message = thrownText(error)
  return { code, message: message.replaceAll('\0', '').slice(0, MESSAGE_MAX) }
}
