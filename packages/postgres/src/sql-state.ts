/** What an error of the database means for the work that met it. */

/**
 * `lost`: no connection, or a server that takes none now · `unprepared`: a prepared statement that is not on this
 * connection any more, or is somebody else's · `retry`: deadlock or serialization failure · `locked`: a row or key
 * stayed locked for too long · `cancelled`: the statement's time was up · `unsuitable`: missing table, privilege,
 * function, or a limit of the server · `rejected`: what was written itself is refused, by a type, a constraint or a
 * trigger · `unforeseen`: everything else, which says nothing of the work.
 */
export type FailureKind =
  | 'lost'
  | 'unprepared'
  | 'retry'
  | 'locked'
  | 'cancelled'
  | 'unsuitable'
  | 'rejected'
  | 'unforeseen'

const KIND_OF_STATE: ReadonlyMap<string, FailureKind> = new Map([
  ['26000', 'unprepared'],
  ['42P05', 'unprepared'],
  ['40000', 'retry'],
  ['40001', 'retry'],
  ['40P01', 'retry'],
  ['40002', 'rejected'],
  ['55006', 'retry'],
  ['55P03', 'locked'],
  ['57014', 'cancelled'],
])

/** Classes of states: the first two characters. What is in no class that is listed here is `unforeseen`. */
const KIND_OF_CLASS: ReadonlyMap<string, FailureKind> = new Map([
  // What a connection or the server is in: 25 is a transaction's state, as of a primary that became a replica.
  ...['08', '25', '53', '57', '58'].map((of) => [of, 'lost'] as const),
  ...['28', '3D', '3F', '42', '54', '55'].map((of) => [of, 'unsuitable'] as const),
  // Data, constraints, WITH CHECK OPTION, and what functions of the host raise and fail with.
  ...['09', '20', '21', '22', '23', '27', '2F', '38', '39', '44', 'P0'].map(
    (of) => [of, 'rejected'] as const,
  ),
])

/** The five characters of an error of the server; undefined for an error of the connection. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code')
  const isOfServer = typeof fieldOf(error, 'severity') === 'string'
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && isOfServer ? code : undefined
}

/** What to do about an error that a statement met. */
export function failureKindOf(error: unknown): FailureKind {
  const state = sqlStateOf(error)
  if (state === undefined) return 'lost'
  const known = KIND_OF_STATE.get(state) ?? KIND_OF_CLASS.get(state.slice(0, 2))
  return known ?? (isRaised(error) ? 'rejected' : 'unforeseen')
}

/** Whether the connection may be at fault, or nobody knows: then the work is done again on another one. */
export function isOfConnection(kind: FailureKind): boolean {
  return kind === 'lost' || kind === 'unprepared' || kind === 'unforeseen'
}

/** Whether a RAISE of the host refused the work, with a state of the host's own. */
export function isRaised(error: unknown): boolean {
  return fieldOf(error, 'routine') === 'exec_stmt_raise'
}

/** A field of what was thrown, which a host's transaction may have thrown itself: reading it may throw. */
function fieldOf(error: unknown, name: string): unknown {
  try {
    return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined
  } catch {
    return undefined
  }
}
