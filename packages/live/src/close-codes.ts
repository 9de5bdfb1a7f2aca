/** Why a connection was closed, in a number that carries the advice: below 4500 come back, from 4500 on do not. */

/** Close codes of the hub. A client that knows none of them follows the rule of the number's range. */
export const CLOSE_CODES = {
  /** The server goes away and said when to come back. */
  restart: 1012,
  /** The server cannot serve now: come back with growing pauses. */
  overloaded: 1013,
  /** Too slow for too long: come back and take a snapshot. */
  slow: 4008,
  /** The ticket was none, or the time of the session is over: come back with a new ticket. */
  ticket: 4401,
  /** No ticket came in time. */
  noTicket: 4408,
  /** Too many messages, or too many connections: come back later. */
  rate: 4429,
  /** Access was taken away: do not come back. */
  forbidden: 4503,
  /** What was sent is no message of the protocol: do not come back with the same program. */
  protocol: 4500,
} as const

/** The word for a close code. */
export type CloseReason = keyof typeof CLOSE_CODES

/** Whether a client may connect again after this code. */
export function mayReconnect(code: number): boolean {
  return code !== 1002 && code !== 1003 && code !== 1007 && code !== 1008 && code !== 1009 && code < 4500
}
