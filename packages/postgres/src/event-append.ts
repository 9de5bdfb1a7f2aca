/** Checks an event that a host writes itself, and makes the parameters of the statement that writes it. */

import { InvalidInputError, isTraceparent } from '@kerp/core'
import { checkCompanyId, checkFields, isWellFormed } from './identifiers.js'

/** An event as a host writes it, in the transaction of the change that it tells. */
export interface NewEvent {
  readonly companyId: string
  /** For example `events:payroll:processed`; at most 128 characters. */
  readonly type: string
  /** A JSON value of at most 48 KiB, so that its envelope has room. Amounts are text, never numbers. */
  readonly payload: unknown
  /** Id of what the event is about, for audits. */
  readonly about?: string | undefined
  /** W3C trace context of the change. @defaultValue that of `tracing` */
  readonly traceparent?: string | undefined
}

const TYPE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const PAYLOAD_BYTES_MAX = 48 * 1_024
const ABOUT_LENGTH_MAX = 512

/** `here` is the trace of an event that brings none. @throws {InvalidInputError} `INVALID_INPUT` */
export function appendParameters(
  event: NewEvent,
  channel: string,
  here: string | undefined,
): (string | null)[] {
  const company = checkCompanyId(checkFields('event', event).companyId, InvalidInputError)
  const { type, about = '', traceparent = here } = event
  if (typeof type !== 'string' || !TYPE.test(type)) {
    throw new InvalidInputError('type', '1 to 128 of A-Z a-z 0-9 . _ : -', type)
  }
  if (!isStorable(about) || about.length > ABOUT_LENGTH_MAX) {
    throw new InvalidInputError(
      'about',
      `a text of at most ${ABOUT_LENGTH_MAX} characters without NUL`,
      about,
    )
  }
  if (traceparent !== undefined && !isTraceparent(traceparent)) {
    throw new InvalidInputError('traceparent', 'a W3C traceparent', traceparent)
  }
  return [company, type, about, payloadText(event.payload), traceparent ?? null, channel]
}

function payloadText(payload: unknown): string {
  const text = jsonOf(payload)
  if (text === undefined || Buffer.byteLength(text) > PAYLOAD_BYTES_MAX) {
    throw new InvalidInputError('payload', `a JSON value of at most ${PAYLOAD_BYTES_MAX} bytes`, payload)
  }
  return text
}

/** Undefined for what JSON has no form for. Escapes lone surrogates and NUL by itself. */
function jsonOf(payload: unknown): string | undefined {
  try {
    return JSON.stringify(payload)
  } catch {
    return undefined
  }
}

function isStorable(text: unknown): boolean {
  return typeof text === 'string' && !text.includes('\0') && isWellFormed(text)
}
