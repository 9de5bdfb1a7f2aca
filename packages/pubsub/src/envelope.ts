/**
 * The envelope of an event, how it is written for Redis and read back; checked by the event map both ways.
 *
 * It is written as `id|type|timestamp|traceparent|payload`, the payload in JSON. Digits alone are a position of the
 * database's log; an id of digits that somebody chose stands behind `~~`, which no id begins with. The company is in the
 * names of the stream and the channel, and nowhere else. Only `encodeEvent` and `encodeCommitted` make an `EncodedEvent`, and only
 * that can be published, so nothing is encoded twice.
 */

import { type CommittedEvent, isTraceparent } from '@kerp/core'
import { validateCompanyId } from '@kerp/keys'
import { EventInvalidError } from './errors.js'
import type { EventMap, EventPayload, EventSchemas, EventType } from './event-map.js'

/** An event as handlers get it. */
export interface EventEnvelope<T extends string = string, P = unknown> {
  /** Of an event of the database's log its position there, as decimal text; else what was published, or a time-ordered id. */
  readonly id: string
  /** Only of an event of the database's log: its position there. An id that somebody chose is none, whatever it looks like. */
  readonly position?: string | undefined
  readonly type: T
  /** ISO-8601 in UTC; for people, never for an order. */
  readonly timestamp: string
  readonly companyId: string
  readonly payload: P
  /** W3C trace context of the publisher. */
  readonly traceparent?: string | undefined
}

/** The envelope of any event of a map; `type` tells which payload it has. */
export type AnyEvent<S extends EventSchemas> = {
  [T in EventType<S>]: EventEnvelope<T, EventPayload<S, T>>
}[EventType<S>]

/** The most bytes of an encoded event. */
export const EVENT_BYTES_MAX = 65_536

declare const encodedBrand: unique symbol

/** An envelope in one line, made by `encodeEvent` or `encodeCommitted` and by nothing else. */
export type EncodedEvent = string & { readonly [encodedBrand]: true }

/** An event ready to be sent. */
export interface OutgoingEvent {
  /** As it was chosen, or the position. */
  readonly id: string
  readonly type: string
  readonly text: EncodedEvent
}

const EVENT_ID = /^[A-Za-z0-9][\w.:-]{0,127}$/
const DIGITS = /^\d+$/
const POSITION = /^[1-9]\d*$/
const CHOSEN_DIGITS = /^~~\d+$/
const CHOSEN = '~~'
const TIMESTAMP = /^[^|\n]{1,64}$/
const POISON = /"(?:__proto__|constructor)"\s*:/

// Looking for the words costs a tenth of the pattern, and almost no event has them.
function isPoisoned(text: string): boolean {
  return (text.includes('"__proto__"') || text.includes('"constructor"')) && POISON.test(text)
}

/** @throws {EventInvalidError} `EVENT_INVALID` for what is no object. */
export function checkNewEvent(event: unknown): void {
  if (typeof event === 'object' && event !== null) return
  throw new EventInvalidError('event', 'an object with companyId, type and payload', event)
}

/** Whether a text can be the id of an event. */
export function isEventId(value: unknown): value is string {
  return typeof value === 'string' && EVENT_ID.test(value)
}

/**
 * Checks an envelope and writes it; what is wrong is found here, before anything is sent.
 *
 * @throws {EventInvalidError} `EVENT_INVALID`: unknown type, wrong payload, wrong id, over 65,536 bytes.
 * @throws {InvalidKeyError} `INVALID_KEY` for a company id.
 */
export function encodeEvent<S extends EventSchemas, T extends EventType<S>>(
  events: EventMap<S>,
  envelope: EventEnvelope<T>,
): { readonly envelope: EventEnvelope<T, EventPayload<S, T>>; readonly outgoing: OutgoingEvent } {
  checkNewEvent(envelope)
  const { id, type, timestamp, companyId, traceparent } = envelope
  validateCompanyId(companyId)
  if (!isEventId(id)) throw new EventInvalidError('id', 'up to 128 of A-Z a-z 0-9 . _ : -', id)
  if (!TIMESTAMP.test(timestamp)) throw new EventInvalidError('timestamp', 'ISO-8601 in UTC', timestamp)
  if (traceparent !== undefined && !isTraceparent(traceparent)) {
    throw new EventInvalidError('traceparent', 'a W3C traceparent', traceparent)
  }
  const payload = events.check(type, envelope.payload)
  const checked =
    traceparent === undefined
      ? { id, type, timestamp, companyId, payload }
      : { id, type, timestamp, companyId, payload, traceparent }
  const text = write({ ...checked, id: encodedIdOf(checked) })
  return { envelope: checked, outgoing: { id, type, text } }
}

/**
 * The same for an event of the database's log: its position is its id, and its payload was checked when it was
 * written, so that a row which no longer fits a schema does not hold up the rows behind it.
 *
 * @throws {EventInvalidError} `EVENT_INVALID` for more than 65,536 bytes.
 */
export function encodeCommitted(event: CommittedEvent): OutgoingEvent {
  const { position: id, type } = event
  return { id, type, text: write({ ...event, id }) }
}

/**
 * Reads an event and checks it again, for another service may have another map.
 *
 * @throws {EventInvalidError} `EVENT_INVALID`
 */
export function decodeEvent<S extends EventSchemas>(
  events: EventMap<S>,
  companyId: string,
  text: string,
): AnyEvent<S> {
  const envelope = parseEnvelope(companyId, text)
  const { type } = envelope
  if (!events.has(type)) throw new EventInvalidError('type', 'a type of the event map', type)
  const payload = events.check(type, envelope.payload)
  // A schema that only checks gives back what it got: then nothing is copied.
  return (payload === envelope.payload ? envelope : { ...envelope, payload }) as AnyEvent<S>
}

/** The type of an encoded event, without checking its payload; undefined for a text that is no event. */
export function typeOfEncoded(text: string): string | undefined {
  try {
    return parseEnvelope('', text).type
  } catch {
    return undefined
  }
}

/** What an encoded event or a mark begins with, unique among all of its company; empty for a text that is neither. */
export function idOfEncoded(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf('|')))
}

/** The position of the database's log in an id as it is written; undefined for an id that somebody chose. */
export function positionOfEncodedId(encodedId: string): string | undefined {
  return POSITION.test(encodedId) ? encodedId : undefined
}

/** What an event's id is written as: unique among all of its company, whoever chose it. */
export function encodedIdOf({ id, position }: Pick<EventEnvelope, 'id' | 'position'>): string {
  return position === undefined && DIGITS.test(id) ? `${CHOSEN}${id}` : id
}

/** The id of an event, from the id as it is written. */
export function eventIdOf(encodedId: string): string {
  return encodedId.startsWith(CHOSEN) ? encodedId.slice(CHOSEN.length) : encodedId
}

type Written = Pick<EventEnvelope, 'id' | 'type' | 'timestamp' | 'payload' | 'traceparent'>

function write({ id, type, timestamp, payload, traceparent = '' }: Written): EncodedEvent {
  const text = `${id}|${type}|${timestamp}|${traceparent}|${stringify(payload)}`
  if (text.length * 3 > EVENT_BYTES_MAX && Buffer.byteLength(text) > EVENT_BYTES_MAX) {
    throw new EventInvalidError('event', `at most ${EVENT_BYTES_MAX} bytes when encoded`, text)
  }
  if (isPoisoned(text)) {
    throw new EventInvalidError('payload', 'free of the keys __proto__ and constructor', payload)
  }
  return text as EncodedEvent
}

/** Empty for a payload that JSON leaves out. */
function stringify(payload: unknown): string {
  try {
    const text: unknown = JSON.stringify(payload)
    return typeof text === 'string' ? text : ''
  } catch {
    throw new EventInvalidError('payload', 'something that JSON can carry (write a bigint as text)', payload)
  }
}

function parseEnvelope(companyId: string, text: string): EventEnvelope {
  const idEnd = text.indexOf('|')
  const typeEnd = text.indexOf('|', idEnd + 1)
  const timestampEnd = text.indexOf('|', typeEnd + 1)
  const traceEnd = text.indexOf('|', timestampEnd + 1)
  const isWhole = idEnd > 0 && typeEnd > idEnd && timestampEnd > typeEnd && traceEnd > timestampEnd
  if (!isWhole || isPoisoned(text)) throw notAnEvent(text)
  const encodedId = text.slice(0, idEnd)
  if (!isEventId(encodedId) && !CHOSEN_DIGITS.test(encodedId)) throw notAnEvent(text)
  const id = eventIdOf(encodedId)
  const position = positionOfEncodedId(encodedId)
  const type = text.slice(idEnd + 1, typeEnd)
  const timestamp = text.slice(typeEnd + 1, timestampEnd)
  const payload = parsePayload(text, traceEnd + 1)
  const envelope =
    position === undefined
      ? { id, type, timestamp, companyId, payload }
      : { id, position, type, timestamp, companyId, payload }
  if (traceEnd === timestampEnd + 1) return envelope
  return { ...envelope, traceparent: text.slice(timestampEnd + 1, traceEnd) }
}

function parsePayload(text: string, begin: number): unknown {
  if (begin === text.length) return undefined
  try {
    return JSON.parse(text.slice(begin))
  } catch {
    throw notAnEvent(text)
  }
}

function notAnEvent(text: string): EventInvalidError {
  return new EventInvalidError('event', 'id|type|timestamp|traceparent|payload, the payload in JSON', text)
}
