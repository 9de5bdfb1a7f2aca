/**
 * Who is asking: bearer tokens and one-time tickets, signed instead of stored.
 *
 * A signature needs no server to be checked, so that sessions survive a Redis that is gone and a process that
 * was restarted. The demo accounts have no passwords: whoever reaches `POST /session` gets a token, which is
 * why the app without `AUTH_SECRET` only listens on loopback.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, type RandomSource, systemClock, systemRandom } from '@kerp/core'

/** What a token says about its bearer. */
export interface Session {
  readonly companyId: string
  readonly user: string
}

/** What a ticket says beside that. */
export interface SessionTicket extends Session {
  readonly endMs: number
  /** No other ticket has it. */
  readonly nonce: string
}

/** What `POST /session` answers. */
export interface OpenedSession {
  readonly token: string
  /** For the live page's WebSocket: 30 s. */
  readonly ticket: string
}

/** Where sessions take their secret and their time from. */
export interface SessionsOptions {
  readonly secret: string
  readonly clock?: Clock
  readonly random?: RandomSource
  /** @defaultValue 43_200_000 (12 hours) */
  readonly tokenTtlMs?: number
  /** @defaultValue 30_000 */
  readonly ticketTtlMs?: number
}

type Purpose = 'token' | 'ticket'

const TEXT_LENGTH_MAX = 1_024
const NONCE_BYTES = 16

/** Opens sessions and checks tokens. */
export class Sessions {
  readonly #secret: string
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #ttlMs: Readonly<Record<Purpose, number>>

  constructor(options: SessionsOptions) {
    this.#secret = options.secret
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#ttlMs = { token: options.tokenTtlMs ?? 43_200_000, ticket: options.ticketTtlMs ?? 30_000 }
  }

  /** A token and a ticket for a user of a company that exists; the caller has checked both. */
  open(session: Session): OpenedSession {
    return { token: this.#sign('token', session), ticket: this.#sign('ticket', session) }
  }

  /** Who bears this token, or undefined when it is not ours, was changed, or has run out. */
  verify(token: string): Session | undefined {
    const found = this.#read('token', token)
    return found === undefined ? undefined : { companyId: found.companyId, user: found.user }
  }

  /** Whose ticket this is. That it is used only once is up to who takes it. */
  verifyTicket(ticket: string): SessionTicket | undefined {
    return this.#read('ticket', ticket)
  }

  #read(purpose: Purpose, text: string): SessionTicket | undefined {
    const [payload, signature, ...rest] = text.length > TEXT_LENGTH_MAX ? [] : text.split('.')
    if (payload === undefined || signature === undefined || rest.length > 0) return undefined
    if (!sameBytes(signature, this.#signatureOf(purpose, payload))) return undefined
    const [companyId, user, endMs, nonce] = fieldsOf(payload)
    if (typeof companyId !== 'string' || typeof user !== 'string') return undefined
    if (typeof endMs !== 'number' || typeof nonce !== 'string') return undefined
    return endMs > this.#clock.nowMs() ? { companyId, user, endMs, nonce } : undefined
  }

  #sign(purpose: Purpose, session: Session): string {
    const endMs = Math.floor(this.#clock.nowMs() + this.#ttlMs[purpose])
    const fields = [session.companyId, session.user, endMs, this.#random.hex(NONCE_BYTES)]
    const payload = Buffer.from(JSON.stringify(fields)).toString('base64url')
    return `${payload}.${this.#signatureOf(purpose, payload)}`
  }

  #signatureOf(purpose: Purpose, payload: string): string {
    return createHmac('sha256', this.#secret).update(`${purpose}.${payload}`).digest('base64url')
  }
}

/** Every token and ticket begins as a JSON list does whose first item is a text; messages may have cut it short. */
const TOKEN = /WyJ[\w-]{8,}(?:\.[\w-]*)?/g

/** A text for a log or an answer, without the tokens and tickets that were sent where something else was meant. */
export function withoutTokens(text: string): string {
  return text.replace(TOKEN, '[token]')
}

function sameBytes(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Only called behind a signature that held, so the text is ours. */
function fieldsOf(payload: string): readonly unknown[] {
  const parsed: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
  return Array.isArray(parsed) ? parsed : []
}
