/** What an error of the database means for the work that met it. */

/**
 * `lost`: no connection, or a server that takes none now · `retry`: deadlock or serialization failure ·
 * `locked`: a row or key stayed locked for too long · `cancelled`: the statement's time was up ·
 * `unsuitable`: missing table, privilege, function · `rejected`: everything else that the server refused.
 */
export type FailureKind = 'lost' | 'retry' | 'locked' | 'cancelled' | 'unsuitable' | 'rejected'

const RETRY = new Set(['40001', '40P01'])
// 0A is what a replica answers to READ WRITE, and a prepared statement to a changed table: both end with the connection.
const LOST_CLASSES = new Set(['08', '0A', '53', '57', '58', 'XX'])
const UNSUITABLE_CLASSES = new Set(['28', '3D', '3F', '42'])

/** The five characters of an error of the server; undefined for an error of the connection. */
export function sqlStateOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && Reflect.has(error, 'severity')
    ? code
    : undefined
}

/** What to do about an error that a statement met. */
export function failureKindOf(error: unknown): FailureKind {
  const state = sqlStateOf(error)
  if (state === undefined) return 'lost'
  if (RETRY.has(state)) return 'retry'
  if (state === '55P03') return 'locked'
  if (state === '57014') return 'cancelled'
  // A primary that became a replica refuses writes until the connection is made anew.
  if (state === '25006' || LOST_CLASSES.has(state.slice(0, 2))) return 'lost'
  return UNSUITABLE_CLASSES.has(state.slice(0, 2)) ? 'unsuitable' : 'rejected'
}
