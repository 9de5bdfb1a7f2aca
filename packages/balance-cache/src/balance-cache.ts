/**
 * Account balances, read through Redis: exact, versioned, and with their age.
 *
 * A thin layer in the words of accounting; `Registers` beneath holds the mechanism, and `OutboxRelay` must run
 * somewhere to keep the cache moving.
 */

import {
  observerOfPart,
  InvalidInputError,
  type InvalidationLog,
  listInput,
  type Observer,
  type ReadToken,
  type RegisterImages,
  type RegisterRef,
  type RegisterSource,
  tellFailure,
  objectOptions,
  partOption,
} from '@kerp/core'
import type { ApplyResult, Registers } from '@kerp/registers'
import { auditBalances, type BalanceAudit, type BalanceAuditOptions } from './audit.js'
import {
  accountBalance,
  type AccountRef,
  type Balance,
  balanceRef,
  checkedRef,
  present,
  spelt,
} from './balance.js'
import { warmBalances, type WarmOptions, type WarmProgress } from './warm.js'

/** What a `BalanceCache` is made of. */
export interface BalanceCacheOptions {
  /** What balances are read through; closed by whoever opened them. */
  readonly registers: Registers
  /** Lists rows for warming and audits; the same database that the registers are loaded from. */
  readonly source: RegisterSource
  /** Makes invalidations outlive Redis; without it they are lost when Redis is. */
  readonly invalidations?: InvalidationLog | undefined
  readonly observer?: Observer | undefined
}

/** What a read may ask for beside its balances. */
export interface BalanceReadOptions {
  /** The token of a posting: balances are at least as new as it. Of several companies, only theirs. */
  readonly atLeast?: ReadToken | undefined
  /** All balances as they stood at one moment: no voucher is in one of them and not in another. Of one company only. */
  readonly cut?: boolean | undefined
}

/** Reads balances, and keeps them right when vouchers are posted. */
export class BalanceCache {
  readonly #registers: Registers
  readonly #source: RegisterSource
  readonly #invalidations: InvalidationLog | undefined
  readonly #observer: Observer
  /** The fiscal year of the last peek, and the same as text: most peeks that follow each other are of one year. */
  #peekedYear = 0
  #peekedYearText = '0'

  /** No I/O happens here. */
  constructor(options: BalanceCacheOptions) {
    objectOptions('BalanceCache', options)
    this.#registers = partOption('BalanceCache', 'registers', options.registers, {
      methods: ['apply'],
      words: 'a Registers',
    })
    this.#source = partOption('BalanceCache', 'source', options.source, {
      methods: ['list'],
      words: 'a source of rows',
    })
    this.#invalidations = options.invalidations
    this.#observer = observerOfPart(options.observer)
  }

  /**
   * The balance, if this process holds it and can prove that it is at most `maxStalenessMs` old; undefined says
   * nothing, and `get` answers then. Synchronous, without I/O; about twice what reading a clock costs.
   *
   * It is never older than what this process applied. Needs an in-process tier of `Registers`. Until the row moves on, all
   * who ask get one frozen value.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a ref that is none.
   */
  peek(ref: AccountRef): Balance | undefined {
    const { companyId, account, fiscalYear } = checkedRef(ref)
    if (fiscalYear !== this.#peekedYear) {
      const { parts } = balanceRef(ref)
      this.#peekedYear = fiscalYear
      this.#peekedYearText = parts[1]
    }
    // Rows are held under their canonical names: what is found is right, and only what is not may be spelt otherwise.
    return (
      this.#registers.peekAs(accountBalance, companyId, 'balance', account, this.#peekedYearText) ??
      this.#peekCanonical(ref)
    )
  }

  /**
   * One balance; zero with version 0 if it was never posted to.
   *
   * @throws like `getMany`.
   */
  async get(ref: AccountRef, options: BalanceReadOptions = {}): Promise<Balance> {
    const register = balanceRef(ref)
    const [answer] = await this.#registers.getManyAs(accountBalance, register.companyId, [register], options)
    return spelt(present(answer), ref.account)
  }

  /**
   * Balances in the order of `refs`, of which any may stand there twice, of any companies.
   *
   * Balances that this process holds cost no round trip, those in Redis one whatever their number, the others one
   * database statement per company. Each balance is exact; several are one moment only with `cut`.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for a ref or token that is none.
   * @throws {EpochChangedError} `EPOCH_CHANGED`: the token is of another history than the database's.
   * @throws {VersionNotReachedError} `VERSION_NOT_REACHED`, retryable: the database is behind the token.
   * @throws {OverloadedError} `OVERLOADED` or {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable.
   * @throws what the source throws, for example `DATABASE_UNAVAILABLE`.
   */
  async getMany(refs: readonly AccountRef[], options: BalanceReadOptions = {}): Promise<readonly Balance[]> {
    const answers = await this.#read(listInput('refs', refs).map(balanceRef), options)
    return refs.map(({ account }, index) => spelt(present(answers[index]), account))
  }

  /**
   * Hands the post-images of a committed voucher to the cache; call it after COMMIT was acknowledged. From then on every
   * read of this process sees the voucher, without a token and also while Redis is down.
   *
   * Never throws because of Redis: the relay brings the same images, and the result says what happened.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for images that no voucher can have committed.
   */
  apply(committed: RegisterImages): Promise<ApplyResult> {
    return this.#registers.apply(committed)
  }

  /**
   * Makes the next read of a balance load it anew, for example after a repair by hand.
   *
   * With an invalidation log this is durable, and Redis being down is no error. Without one it throws what
   * Redis throws (`REDIS_NOT_DONE`, `REDIS_UNKNOWN`, `REDIS_REFUSED`).
   */
  async invalidate(ref: AccountRef): Promise<void> {
    const register = balanceRef(ref)
    await this.#invalidations?.invalidate(register)
    await this.#atOnce(() => this.#registers.invalidate(register))
  }

  /** The same for all registers of a company, whatever their number: one new generation, no key is looked for. */
  async invalidateAll(companyId: string): Promise<void> {
    await this.#invalidations?.invalidateAll(companyId)
    await this.#atOnce(() => this.#registers.invalidateAll(companyId))
  }

  /**
   * Loads all balances of a fiscal year that are not cached, page by page.
   *
   * Goes on after `after`, and ends early when `signal` aborts; the answer says how far it came.
   *
   * @throws what the source throws.
   */
  warm(companyId: string, options: WarmOptions): Promise<WarmProgress> {
    return warmBalances({ registers: this.#registers, source: this.#source }, companyId, options)
  }

  /**
   * Compares cached balances with their rows, page by page, while posting may go on.
   *
   * Each difference is counted as a fork to the observer, and all registers of the company are voided, unless
   * `repair` is false.
   *
   * @throws what the source throws.
   */
  async audit(companyId: string, options: BalanceAuditOptions): Promise<BalanceAudit> {
    const parts = { registers: this.#registers, source: this.#source }
    const audit = await auditBalances(parts, companyId, options)
    if (audit.different > 0) {
      this.#observer.registerFork?.({ count: audit.different })
      if (options.repair !== false) await this.invalidateAll(companyId)
    }
    return audit
  }

  #peekCanonical(ref: AccountRef): Balance | undefined {
    const { companyId, family, parts } = balanceRef(ref)
    if (parts[0] === ref.account) return undefined
    const answer = this.#registers.peekAs(accountBalance, companyId, family, parts[0], parts[1])
    return answer === undefined ? undefined : spelt(answer, ref.account)
  }

  async #read(registers: readonly RegisterRef[], options: BalanceReadOptions): Promise<readonly Balance[]> {
    const companyId = registers[0]?.companyId
    if (companyId === undefined) return []
    if (registers.every((ref) => ref.companyId === companyId)) {
      return this.#registers.getManyAs(accountBalance, companyId, registers, options)
    }
    if (options.cut === true)
      throw new InvalidInputError('refs', 'balances of one company for a cut', registers)
    return this.#readCompanies(registers, options)
  }

  async #readCompanies(
    registers: readonly RegisterRef[],
    options: BalanceReadOptions,
  ): Promise<readonly Balance[]> {
    const companies = new Map<string, number[]>()
    for (const [index, { companyId }] of registers.entries()) {
      const indexes = companies.get(companyId)
      if (indexes === undefined) companies.set(companyId, [index])
      else indexes.push(index)
    }
    const answers = new Array<Balance>(registers.length)
    await Promise.all(
      [...companies].map(async ([companyId, indexes]) => {
        const refs = indexes.map((index) => present(registers[index]))
        const found = await this.#registers.getManyAs(accountBalance, companyId, refs, options)
        for (const [at, index] of indexes.entries()) answers[index] = present(found[at])
      }),
    )
    return answers
  }

  // With a log the invalidation is written already, and the relay brings it; this only makes it quicker.
  async #atOnce(effect: () => Promise<void>): Promise<void> {
    try {
      await effect()
    } catch (error) {
      if (this.#invalidations === undefined) throw error
      tellFailure(this.#observer, 'BalanceCache', error)
    }
  }
}
