/** What a client may say, read from bytes that nobody has checked. */

/** A message of the protocol. */
export type ClientMessage =
  | { readonly op: 'ping' }
  | { readonly op: 'ticket'; readonly ticket: string }
  | {
      readonly op: 'subscribe'
      readonly topics: readonly string[]
      /** Undefined when it begins anew; `invalid` when it is no position at all. */
      readonly resume: number | 'invalid' | undefined
      readonly history: string | undefined
    }

/** The most characters of a ticket. */
export const TICKET_MAX = 4_096

/** Topics of one `subscribe`. */
const TOPICS_MAX = 32

/** The most characters of a topic's name, and of the name of a history. */
const TOPIC_LENGTH_MAX = 128
const HISTORY_LENGTH_MAX = 1_024

const POSITION = /^(?:0|[1-9]\d{0,14})$/

/** The message, or undefined when it is none. Fields that the protocol does not have are not looked at. */
export function readClientMessage(text: string): ClientMessage | undefined {
  const fields = parsed(text)
  if (fields === undefined) return undefined
  const op: unknown = ownField(fields, 'op')
  if (op === 'ping') return { op }
  if (op === 'subscribe') return readSubscribe(fields)
  const ticket: unknown = ownField(fields, 'ticket')
  if (op === 'ticket' && typeof ticket === 'string' && ticket.length <= TICKET_MAX) return { op, ticket }
  return undefined
}

function readSubscribe(fields: object): ClientMessage | undefined {
  const topics: unknown = ownField(fields, 'topics')
  if (!Array.isArray(topics) || topics.length === 0 || topics.length > TOPICS_MAX) return undefined
  const names = topics.filter(
    (name): name is string => typeof name === 'string' && name.length <= TOPIC_LENGTH_MAX,
  )
  if (names.length !== topics.length) return undefined
  const resume: unknown = ownField(fields, 'resume')
  const history: unknown = ownField(fields, 'history')
  return {
    op: 'subscribe',
    topics: names,
    resume: resume === undefined || resume === null ? undefined : positionOf(resume),
    history: typeof history === 'string' && history.length <= HISTORY_LENGTH_MAX ? history : undefined,
  }
}

function positionOf(value: unknown): number | 'invalid' {
  return typeof value === 'string' && POSITION.test(value) ? Number(value) : 'invalid'
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Names such as `__proto__` lead nowhere. */
function ownField(fields: object, name: string): unknown {
  return Object.hasOwn(fields, name) ? Reflect.get(fields, name) : undefined
}
