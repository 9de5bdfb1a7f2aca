/**
 * One owner that asks Redis for a lock until it is granted or given up.
 *
 * Asking again is harmless and does three things at once: it shows that this process is alive, finds a grant
 * whose message was missed, and replaces a holder whose lease has ended.
 */

import { isRetryableError, jitteredBackoffMs, type Timer } from '@kerp/core'
import type { AskReply } from './acquire.lua.js'
import type { ContestHost } from './contest-host.js'
import { Grant } from './grant.js'
import { type ClockReading, readClocks } from './lease.js'
import type { Asking, Question } from './lock-commands.js'
import type { LockNames } from './lock-names.js'
import type { TakeReply } from './take.lua.js'

/** What is to be asked for now. */
export interface Wish {
  readonly ttlMs: number
  readonly block: number
  /** A try does not line up. */
  readonly isTry: boolean
}

/** How a grant came: by the answer to a question, or from the one who held the lock before. */
export type GrantWay = 'asked' | 'handed'

/** Who asks. */
export interface Candidate {
  /** Undefined when nobody wants the lock any more. */
  wish(): Wish | undefined
  granted(grant: Grant, way: GrantWay): void
  /** Redis answered that another holds the lock. */
  mustWait(): void
  /** Redis could not be asked; it will be tried again unless `isFinal`. */
  troubled(error: unknown, isFinal: boolean): void
}

/** The longest lease of a lock that was handed over: so long can a paused waiter keep the others, in ms. */
const GRANT_MS_MAX = 2_000

/** A lock that was handed over comes with this many fences. */
const HANDED_BLOCK = 16

/** How often a waiter asks again, in ms: at most, at least, and while no message can reach it. */
const STAMP_MS_MAX = 1_000
const STAMP_MS_MIN = 50
const POLL_MS = 100

/** How long after the holder's lease the first and each further waiter looks, in ms. */
const AFTER_LEASE_MS = 2
const PER_PLACE_MS = 5
const PLACES_MAX = 6

const NO_QUESTION: Question = { owner: '', ttlMs: 0, block: 1, wait: '' }

/** One owner's asking. */
export class Candidacy implements Asking<AskReply | TakeReply> {
  readonly owner: string
  readonly names: LockNames
  readonly #host: ContestHost
  readonly #candidate: Candidate
  readonly #grantMs: number
  /** The longest lease that was asked for. */
  #ttlMs: number
  /** When the question on its way, or the last one, was sent. */
  #asked: ClockReading
  #question: Question = NO_QUESTION
  #isAsking = false
  /** The last answer that said *wait*: when it was asked for, and above which fence later grants are. */
  #waiting: { readonly asked: ClockReading; readonly mark: string } | undefined
  #grant: Grant | undefined
  #isOver = false
  #hasAsked = false
  #isTry = false
  /** Whether Redis may know this owner: as one who waits, or by a call whose answer was lost. */
  #mayStand = false
  #failures = 0
  #timer: Timer | undefined

  /** `begun` is a reading of now: nothing of this owner was sent before. */
  constructor(host: ContestHost, names: LockNames, candidate: Candidate, ttlMs: number, begun: ClockReading) {
    this.#host = host
    this.names = names
    this.#candidate = candidate
    this.#asked = begun
    this.#ttlMs = ttlMs
    this.#grantMs = Math.min(this.#ttlMs, GRANT_MS_MAX)
    this.owner = host.nextOwner(this.#grantMs)
  }

  /** What is on its way, or was last. */
  get question(): Question {
    return this.#question
  }

  /** Asks now; does nothing while a question is on its way. */
  ask(wish = this.#candidate.wish()): void {
    if (this.#isOver || this.#isAsking || wish === undefined) return
    this.prepare(wish)
    this.#host.commands.ask(this)
  }

  /** Takes the lock if it is free; lines up only when it is not. */
  take(wish: Wish): void {
    this.#isTry = wish.isTry
    this.#sending({ owner: this.owner, ttlMs: wish.ttlMs, block: 1, wait: '' })
    this.#host.commands.take(this)
  }

  /** The question as it must be sent now; its answer is told to this object. */
  prepare({ ttlMs, block, isTry }: Wish): Question {
    // Messages count only while the channel listens.
    const wait = isTry ? '' : this.#host.waitMode()
    return this.#sending({ owner: this.owner, ttlMs, block, wait })
  }

  answered(reply: AskReply | TakeReply): void {
    if (!this.#isAsking) return
    this.#isAsking = false
    const question = this.#question
    if (reply === 'held') this.#notFree()
    else if (typeof reply === 'string') this.#grantedBy(question, reply, question.block)
    else if (reply[0] === 'again') this.#grantedBy(question, reply[1], 1)
    else this.#mustWait(question, reply)
  }

  failed(error: unknown): void {
    this.#isAsking = false
    // What was sent may still be done.
    this.#mayStand = true
    if (this.#isOver) return
    const isFinal = !isRetryableError(error)
    this.#failures += 1
    if (!isFinal) {
      const { random } = this.#host
      this.#lookAgainIn(5 + jitteredBackoffMs(this.#failures, { backoffMs: 20, backoffMsMax: 250, random }))
    }
    this.#candidate.troubled(error, isFinal)
  }

  /** A message says that the lock is ours. */
  handed(fence: string): void {
    if (this.#isOver) return
    const waiting = this.#waiting
    if (waiting !== undefined && Number(fence) <= Number(waiting.mark)) {
      // It was granted before our last question, which was answered with *wait*: that grant has ended since.
      this.ask()
      return
    }
    const begun = waiting?.asked ?? this.#asked
    this.#end(this.#grantOf(fence, HANDED_BLOCK, begun, this.#grantMs), 'handed')
  }

  /** Nobody wants the lock any more. What may have been granted is given back. */
  giveUp(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    if (this.#mayStand || this.#isAsking) this.#leave()
  }

  #sending(question: Question): Question {
    if (this.#hasAsked) this.#asked = readClocks(this.#host.clock)
    this.#ttlMs = Math.max(this.#ttlMs, question.ttlMs)
    this.#question = question
    this.#isAsking = true
    this.#hasAsked = true
    if (question.wait !== '') this.#mayStand = true
    this.#timer?.cancel()
    return question
  }

  #notFree(): void {
    if (this.#isOver) return
    if (this.#isTry) this.#candidate.mustWait()
    else {
      this.#host.noteContended(this.names)
      this.ask()
    }
  }

  #mustWait(
    { wait }: Question,
    [, holderRestMs, place, mark]: Extract<AskReply, readonly ['wait', ...unknown[]]>,
  ): void {
    if (this.#isOver) return
    this.#failures = 0
    this.#waiting = { asked: this.#asked, mark }
    // The channel began or ceased to listen meanwhile: it may have missed what came before, and Redis must know.
    const isOutdated = wait !== '' && wait !== this.#host.waitMode()
    this.#lookAgainIn(isOutdated ? 0 : this.#nextLookMs(holderRestMs, place))
    this.#candidate.mustWait()
  }

  #grantedBy({ ttlMs }: Question, fence: string, block: number): void {
    if (!this.#isOver) this.#end(this.#grantOf(fence, block, this.#asked, ttlMs), 'asked')
    else if (this.#grant?.fence === fence) this.#grant.renew(this.#asked, ttlMs)
    else this.#leave()
  }

  #grantOf(fence: string, block: number, begun: ClockReading, ttlMs: number): Grant {
    return new Grant({ names: this.names, owner: this.owner, fence, block, begun, ttlMs })
  }

  #end(grant: Grant, way: GrantWay): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#grant = grant
    grant.isContended = this.#mayStand
    this.#candidate.granted(grant, way)
  }

  #lookAgainIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#host.wheel.schedule(delayMs, () => this.ask())
  }

  #nextLookMs(holderRestMs: number, place: number): number {
    const stampMs = Math.min(STAMP_MS_MAX, Math.max(STAMP_MS_MIN, this.#grantMs / 2))
    const ownMs = this.#host.canHear() ? stampMs : Math.min(stampMs, POLL_MS)
    // -1: the key has no end (it is not ours to judge). -2: it vanished meanwhile.
    if (holderRestMs === -1) return ownMs
    const places = Math.min(Math.max(place, 0), PLACES_MAX)
    return Math.min(ownMs, Math.max(0, holderRestMs) + AFTER_LEASE_MS + places * PER_PLACE_MS)
  }

  #leave(): void {
    this.#host.background(this.#host.commands.leave(this.names, this.owner, this.#ttlMs))
  }
}
