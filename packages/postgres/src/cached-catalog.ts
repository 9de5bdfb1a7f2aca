/** A catalogue's answers, kept for a moment: every line of every voucher asks, and charts hardly change. */

import type { Clock } from '@kerp/core'
import type { AccountCatalog, AccountKind } from './account-catalog.js'

interface Known {
  readonly kind: AccountKind
  readonly untilMs: number
}

interface Question {
  readonly accounts: Set<string>
  readonly answer: Promise<ReadonlyMap<string, AccountKind>>
}

/**
 * Remembers accounts that exist, at most `accountsMax` of them and each for `ttlMs`; unknown ones are asked for
 * every time. Questions of one moment go to the catalogue as one per company.
 */
export class CachedCatalog {
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Question>()

  constructor(
    private readonly catalog: AccountCatalog,
    private readonly clock: Clock,
    private readonly ttlMs: number,
    private readonly accountsMax: number,
  ) {}

  /** True when every account is known as postable: the common case, without a promise. */
  knowsPostable(companyId: string, accounts: Iterable<string>): boolean {
    const nowMs = this.clock.monotonicMs()
    for (const account of accounts) {
      const known = this.#known.get(nameOf(companyId, account))
      if (known?.kind !== 'postable' || known.untilMs <= nowMs) return false
    }
    return true
  }

  async lookup(companyId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, AccountKind>> {
    const answer = await this.#ask(companyId, accounts)
    const untilMs = this.clock.monotonicMs() + this.ttlMs
    for (const account of accounts) {
      const kind = answer.get(account)
      if (kind === undefined) continue
      if (this.#known.size >= this.accountsMax) this.#known.clear()
      this.#known.set(nameOf(companyId, account), { kind, untilMs })
    }
    return answer
  }

  #ask(companyId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, AccountKind>> {
    let question = this.#asking.get(companyId)
    if (question === undefined) {
      const asked = new Set<string>()
      const answer = Promise.resolve().then(() => {
        this.#asking.delete(companyId)
        return this.catalog.lookup(companyId, [...asked])
      })
      question = { accounts: asked, answer }
      this.#asking.set(companyId, question)
    }
    for (const account of accounts) question.accounts.add(account)
    return question.answer
  }
}

function nameOf(companyId: string, account: string): string {
  return `${companyId}\n${account}`
}
