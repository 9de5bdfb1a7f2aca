/**
 * What a host's function threw, looked at without harm: it may be a revoked proxy, an object whose getters throw, or no
 * error at all. `instanceof`, reading a property and `String` run the host's code, and may throw anything again.
 */

const UNREADABLE = 'something that cannot be read'

/** `thrown instanceof Error` that never throws. */
export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error
  } catch {
    return false
  }
}

/** The message of an error, else what was thrown as text. Never throws. */
export function thrownText(thrown: unknown): string {
  try {
    return String(isError(thrown) ? thrown.message : thrown)
  } catch {
    return UNREADABLE
  }
}

/** `NAME: MESSAGE` of an error, else what was thrown as text. Never throws. */
export function thrownWords(thrown: unknown): string {
  try {
    return isError(thrown) ? `${thrown.name}: ${thrown.message}` : String(thrown)
  } catch {
    return UNREADABLE
  }
}
