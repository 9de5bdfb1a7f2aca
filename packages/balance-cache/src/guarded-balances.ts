/**
 * Balances of tables that can carry neither a version nor a trigger: cached while nobody is about to change them.
 *
 * Whoever changes a row marks it in Redis before its transaction and unmarks it afterwards, and no reader stores a row
 * that is marked or was marked while it was loaded. That promises less than versions do: docs/guarantees.md says what.
 */

import { exactValue, InvalidInputError, OverloadedError, parseMinorUnits } from '@kerp/core'
import { askRedis } from '@kerp/redis'
import type { LoadedRegister } from '@kerp/registers'
import { type AccountRef, balanceRef, present } from './balance.js'
import { CommitOperation, type GuardedWork } from './commit-operation.js'
import { OperationNotConfirmedError } from './errors.js'
import { fillGuarded } from './fill-guarded.lua.js'
import { type GuardedBalancesOptions, type GuardedParts, resolveGuardedOptions } from './guarded-options.js'
import { type GuardedOutcome, readGuarded } from './read-guarded.lua.js'

/** A balance without a version. */
export interface GuardedBalance extends AccountRef {
  /** Total of all debits in minor units. */
  readonly debit: bigint
  /** Total of all credits in minor units. */
  readonly credit: bigint
  /** Debit less credit, whatever the account's normal side. */
  readonly balance: bigint
  /** When its load began, by the clock of the process that loaded it. */
  readonly asOf: Date
  readonly source: 'redis' | 'database'
}

/** A row, where it is cached, and where it is marked. */
interface Row {
  readonly ref: AccountRef
  readonly key: string
  readonly keys: readonly [value: string, marks: string]
}

/** Rows of one call of a script. */
const ROWS_PER_SCRIPT = 500

/** Rows of one guard. */
const ROWS_PER_GUARD_MAX = 1_000

const VALUE = /^v\|(-?\d+)\|(-?\d+)\|(\d+)$/

/** Reads balances of a host's own table, and guards the host's own commits. */
export class GuardedBalances {
  readonly #parts: GuardedParts
  readonly #processId: string
  #ids = 0
  #operations = 0

  /** No I/O happens here. */
  constructor(options: GuardedBalancesOptions) {
    this.#parts = resolveGuardedOptions(options)
    this.#processId = this.#parts.random.hex(8)
  }

  /** One balance. Throws like `getMany`. */
  async get(ref: AccountRef): Promise<GuardedBalance> {
    return present((await this.getMany([ref]))[0])
  }

  /**
   * Balances in the order of `refs`, of which any may stand there twice, of any companies: one round trip per company, and
   * one statement for what is not cached. Each shows every guarded commit that was answered before the call, unless Redis
   * forgot its mark; then it is older by at most the TTL. They are not one moment.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for a ref that is none.
   * @throws {OverloadedError} `OVERLOADED` or {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable.
   * @throws what the source throws.
   */
  async getMany(refs: readonly AccountRef[]): Promise<readonly GuardedBalance[]> {
    const { clock, observer } = this.#parts
    const begunMs = clock.monotonicMs()
    const rows = refs.map((ref) => this.#rowOf(ref))
    const companies = new Map<string, Map<string, Row>>()
    for (const row of rows) {
      const { companyId } = row.ref
      const known = companies.get(companyId) ?? new Map<string, Row>()
      companies.set(companyId, known.set(row.key, row))
    }
    const found = await Promise.all(
      [...companies].map(([companyId, unique]) => this.#readCompany(companyId, [...unique.values()])),
    )
    const balances = new Map(found.flat())
    observer.cacheRead?.({ type: 'balance', elapsedMs: clock.monotonicMs() - begunMs })
    return rows.map(({ key }) => present(balances.get(key)))
  }

  /**
   * Does `work`, which may change the rows of `refs` and no others, with these rows marked: nobody caches them from
   * before it begins until its outcome is known. `work` calls `confirm()` as the last thing before its COMMIT, and rolls
   * back when that throws. Work that throws before `confirm()` counts as rolled back; after it nobody knows, and the
   * rows are not cached for `operationMs`.
   *
   * Cost: three round trips to Redis.
   *
   * @throws {OperationNotConfirmedError} `OPERATION_NOT_CONFIRMED`: the work ended without `confirm()`.
   * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for refs that are none, or not of one company.
   * @throws {OverloadedError} `OVERLOADED`, retryable: `operationsMax` are open.
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN` or {RedisRefusedError}
   * `REDIS_REFUSED` before `work` was called: the rows could not be marked.
   * @throws what `work` throws.
   */
  async guard<T>(refs: readonly AccountRef[], work: (operation: GuardedWork) => Promise<T>): Promise<T> {
    const { operationsMax } = this.#parts
    if (this.#operations >= operationsMax) {
      throw new OverloadedError('GuardedBalances', 'operationsMax', operationsMax)
    }
    const operation = new CommitOperation(this.#parts, this.#newId(), this.#keysOfOneCompany(refs))
    this.#operations += 1
    try {
      await operation.begin()
      return await finish(operation, work)
    } finally {
      this.#operations -= 1
    }
  }

  /** Never used before, by any process. */
  #newId(): string {
    this.#ids += 1
    return `${this.#processId}:${this.#ids}`
  }

  #rowOf(ref: AccountRef): Row {
    const { keys } = this.#parts
    const { companyId, fiscalYear } = ref
    const { parts } = balanceRef(ref)
    const value = keys.cached({ companyId, type: 'guarded_balance', id: `${parts[0]}:${fiscalYear}` })
    return { ref, key: keys.balance(ref), keys: [value, keys.lease(value)] }
  }

  #keysOfOneCompany(refs: readonly AccountRef[]): readonly string[] {
    const isOne = refs.every(({ companyId }) => companyId === refs[0]?.companyId)
    const keys = new Set(refs.flatMap((ref) => this.#rowOf(ref).keys))
    if (isOne && keys.size > 0 && keys.size <= 2 * ROWS_PER_GUARD_MAX) return [...keys]
    throw new InvalidInputError('refs', `1 to ${ROWS_PER_GUARD_MAX} balances of one company`, refs)
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────

  async #readCompany(
    companyId: string,
    rows: readonly Row[],
  ): Promise<readonly (readonly [string, GuardedBalance])[]> {
    const { observer } = this.#parts
    const token = this.#newId()
    const outcomes = await this.#ask(rows, token)
    const found: (readonly [string, GuardedBalance])[] = []
    const [missing, granted] = [[] as Row[], [] as Row[]]
    for (const [index, row] of rows.entries()) {
      const outcome = outcomes[index] ?? 'busy'
      const cached = typeof outcome === 'string' ? undefined : parseValue(row.ref, outcome.value)
      if (cached !== undefined) found.push([row.key, cached])
      else missing.push(row)
      if (outcome === 'granted') granted.push(row)
    }
    observer.companyWork?.({ companyId, work: 'read', count: rows.length })
    const counts = { hit: found.length, miss: granted.length, bypass: missing.length - granted.length }
    for (const result of ['hit', 'miss', 'bypass'] as const) {
      const count = counts[result]
      if (count > 0) observer.cacheRequest?.({ type: 'balance', result, count })
    }
    return missing.length === 0
      ? found
      : [...found, ...(await this.#load(companyId, missing, granted, token))]
  }

  /** Nothing for rows that Redis cannot be asked for now. */
  async #ask(rows: readonly Row[], token: string): Promise<readonly GuardedOutcome[]> {
    const { redis, observer, redisDeadlineMs: deadlineMs, leaseMs } = this.#parts
    const pages: Promise<readonly GuardedOutcome[]>[] = []
    for (let from = 0; from < rows.length; from += ROWS_PER_SCRIPT) {
      const page = rows.slice(from, from + ROWS_PER_SCRIPT)
      const moreKeys = page.flatMap(({ keys }) => keys)
      const call = { moreKeys, deadlineMs, observer, effect: 'idempotent' } as const
      pages.push(
        askRedis(this.#parts, () =>
          readGuarded.run(redis, {}, { token, leaseMs: String(leaseMs) }, call),
        ).then((reply) => reply ?? page.map(() => 'busy' as const)),
      )
    }
    return (await Promise.all(pages)).flat()
  }

  async #load(
    companyId: string,
    missing: readonly Row[],
    granted: readonly Row[],
    token: string,
  ): Promise<readonly (readonly [string, GuardedBalance])[]> {
    const wanted = missing.map(({ ref, key }) => ({ ref: balanceRef(ref), key }))
    const loaded = await this.#parts.loader.load(companyId, wanted)
    const balances = new Map(
      missing.map(({ ref, key }, index) => [key, loadedBalance(ref, present(loaded[index]))]),
    )
    await this.#fill(
      granted,
      granted.map(({ key }) => present(balances.get(key))),
      token,
    )
    return [...balances]
  }

  async #fill(granted: readonly Row[], balances: readonly GuardedBalance[], token: string): Promise<void> {
    const { redis, observer, redisDeadlineMs: deadlineMs, ttl, random } = this.#parts
    const ttlMs = String(ttl.jitteredTtlMs('balance', random))
    for (let from = 0; from < granted.length; from += ROWS_PER_SCRIPT) {
      const moreKeys = granted.slice(from, from + ROWS_PER_SCRIPT).map(({ keys: [value] }) => value)
      const moreArgs = balances.slice(from, from + ROWS_PER_SCRIPT).map(valueText)
      const call = { moreKeys, moreArgs, deadlineMs, observer, effect: 'idempotent' } as const
      await askRedis(this.#parts, () => fillGuarded.run(redis, {}, { token, ttlMs }, call))
    }
  }
}

async function finish<T>(
  operation: CommitOperation,
  work: (operation: GuardedWork) => Promise<T>,
): Promise<T> {
  let result: T
  try {
    result = await work(operation)
    if (!operation.isConfirmed) throw new OperationNotConfirmedError()
  } catch (error) {
    await (operation.isConfirmed ? operation.abandon() : operation.end())
    throw error
  }
  await operation.end()
  return result
}

function valueText({ debit, credit, asOf }: GuardedBalance): string {
  return `v|${debit}|${credit}|${asOf.getTime()}`
}

/** Undefined for bytes that are none. */
function parseValue(ref: AccountRef, text: string): GuardedBalance | undefined {
  const [, debit, credit, asOfMs] = VALUE.exec(text) ?? []
  if (debit === undefined || credit === undefined) return undefined
  return balanceOf(ref, [debit, credit], Number(asOfMs), 'redis')
}

function loadedBalance(ref: AccountRef, { image, asOfMs }: LoadedRegister): GuardedBalance {
  return balanceOf(ref, image.fields, asOfMs, 'database')
}

function balanceOf(
  { companyId, account, fiscalYear }: AccountRef,
  [debitText, creditText]: readonly [string, string],
  asOfMs: number,
  source: 'redis' | 'database',
): GuardedBalance {
  const [debit, credit] = [parseMinorUnits(debitText, 'debit'), parseMinorUnits(creditText, 'credit')]
  const asOf = new Date(asOfMs)
  return exactValue({ companyId, account, fiscalYear, debit, credit, balance: debit - credit, asOf, source })
}
