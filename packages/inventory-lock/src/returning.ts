/** A lock on its way back to Redis, together with the question of those who wait for it in this process. */

import type { Candidacy } from './candidacy.js'
import type { ContestHost } from './contest-host.js'
import type { DropReply } from './drop.lua.js'
import { UnexpectedReplyError } from './errors.js'
import type { Grant } from './grant.js'
import type { Holding } from './holding.js'
import type { LockRelease } from './lock.js'
import type { Dropping, Question, Returning as ReturningCall } from './lock-commands.js'
import type { LockNames } from './lock-names.js'
import type { ReleaseReply } from './release.lua.js'

/** Hears what became of a lock that is given back. `result` never rejects. */
export class Returning implements ReturningCall, Dropping {
  readonly result: Promise<LockRelease>
  readonly names: LockNames
  readonly grantText: string
  next: Question | undefined
  readonly #host: ContestHost
  readonly #grant: Grant
  readonly #candidacy: Candidacy | undefined
  readonly #holding: Holding | undefined
  #resolve: (result: LockRelease) => void = nothing

  /** `candidacy` asks in the same call; `holding` is who had the lock, if anybody. */
  constructor(
    host: ContestHost,
    grant: Grant,
    candidacy: Candidacy | undefined,
    holding: Holding | undefined,
  ) {
    this.#host = host
    this.#grant = grant
    this.names = grant.names
    this.grantText = grant.text
    this.#candidacy = candidacy
    this.#holding = holding
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get isListed(): boolean {
    return this.#grant.isListed
  }

  /** Sends it; the short way when nobody is known to wait. */
  send(next?: Question): void {
    this.next = next
    const { commands } = this.#host
    if (next === undefined && !this.isListed && !this.#grant.isContended) commands.drop(this)
    else commands.release(this)
  }

  answered(reply: ReleaseReply | DropReply): void {
    if (reply === 'awaited') {
      this.#grant.isContended = true
      this.send()
      return
    }
    const [code, answer] = typeof reply === 'string' ? [reply, undefined] : reply
    this.#end(code === 'released' ? 'released' : 'lost')
    if (this.#candidacy === undefined) return
    if (answer === undefined) this.#candidacy.failed(new UnexpectedReplyError('release-locks'))
    else this.#candidacy.answered(answer)
  }

  failed(error: unknown): void {
    // Nobody should wait for the end of a lease that nobody uses.
    const { names, owner, ttlMs } = this.#grant
    this.#host.background(this.#host.commands.leave(names, owner, ttlMs))
    this.#end('unknown')
    this.#candidacy?.failed(error)
  }

  #end(result: LockRelease): void {
    if (this.#holding !== undefined) this.#host.observations.released(result, this.#holding)
    this.#resolve(result)
  }
}

function nothing(): void {
  // Replaced before anybody can call it.
}
