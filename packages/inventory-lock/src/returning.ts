/** A lock on its way back to Redis, together with the question of those who wait for it in this process. */

import type { Receiver } from './call-batch.js'
import type { Candidacy } from './candidacy.js'
import type { ContestHost } from './contest-host.js'
import type { DropReply } from './drop.lua.js'
import { UnexpectedReplyError } from './errors.js'
import type { Grant } from './grant.js'
import type { Holding } from './holding.js'
import type { LockRelease } from './lock.js'
import type { Question } from './lock-commands.js'
import type { ReleaseReply } from './release.lua.js'

/** Hears what became of a lock that is given back. `result` never rejects. */
export class Returning implements Receiver<ReleaseReply | DropReply> {
  readonly result: Promise<LockRelease>
  readonly #host: ContestHost
  readonly #grant: Grant
  readonly #next: Candidacy | undefined
  readonly #holding: Holding | undefined
  #resolve: (result: LockRelease) => void = () => undefined

  /** `next` asked in the same call; `holding` is who had the lock, if anybody. */
  constructor(host: ContestHost, grant: Grant, next: Candidacy | undefined, holding: Holding | undefined) {
    this.#host = host
    this.#grant = grant
    this.#next = next
    this.#holding = holding
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Sends it; the short way when nobody is known to wait. */
  send(next?: Question): void {
    const { names, text, isListed, isContended } = this.#grant
    const { commands } = this.#host
    if (next === undefined && !isListed && !isContended) commands.drop(names, text, this)
    else commands.release(names, { grant: text, isListed, next }, this)
  }

  answered(reply: ReleaseReply | DropReply): void {
    if (reply === 2) {
      this.#grant.isContended = true
      this.send()
      return
    }
    const [code, answer] = typeof reply === 'number' ? [reply, undefined] : reply
    this.#end(code === 1 ? 'released' : 'lost')
    if (this.#next === undefined) return
    if (answer === undefined) this.#next.failed(new UnexpectedReplyError('release-locks'))
    else this.#next.answered(answer)
  }

  failed(error: unknown): void {
    // Nobody should wait for the end of a lease that nobody uses.
    const { names, owner, ttlMs } = this.#grant
    this.#host.background(this.#host.commands.leave(names, owner, ttlMs))
    this.#end('unknown')
    this.#next?.failed(error)
  }

  #end(result: LockRelease): void {
    if (this.#holding !== undefined) this.#host.observations.released(result, this.#holding)
    this.#resolve(result)
  }
}
