/** What a balance is: the totals of one account in one fiscal year, exact, with version, age and origin. */

import { InvalidInputError, parseMinorUnits, type RegisterRef } from '@kerp/core'
import { canonicalPart } from '@kerp/keys'
import type { RegisterReading } from '@kerp/registers'

/** Names a balance. The fiscal year is always given by the caller, never taken from a clock. */
export interface AccountRef {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
}

/** A balance in a form that JSON can carry: amounts are whole numbers of minor units as text. */
export interface BalanceJson {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
  readonly debit: string
  readonly credit: string
  readonly balance: string
  readonly version: number
  /** ISO 8601, UTC. */
  readonly asOf: string
  readonly source: 'l1' | 'redis' | 'database'
}

/** A balance of an account. One that was never posted to is zero with version 0. */
export interface Balance {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
  /** Total of all debits in minor units. */
  readonly debit: bigint
  /** Total of all credits in minor units. */
  readonly credit: bigint
  /** Debit less credit, whatever the account's normal side. */
  readonly balance: bigint
  /** Grows by one with each voucher that touches the account; names exactly one state. */
  readonly version: number
  /** The balance is at least as new as this moment of the database's clock. */
  readonly asOf: Date
  /** Who answered. */
  readonly source: 'l1' | 'redis' | 'database'
  /** The same in JSON's terms; also the way to compare two balances, whose amounts are read lazily. */
  toJSON(): BalanceJson
}

/** A balance over the answer that it came in; amounts are read when they are asked for. */
export class AccountBalance implements Balance {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
  readonly #reading: RegisterReading

  constructor(ref: AccountRef, reading: RegisterReading) {
    this.companyId = ref.companyId
    this.account = ref.account
    this.fiscalYear = ref.fiscalYear
    this.#reading = reading
  }

  get debit(): bigint {
    return parseMinorUnits(this.#reading.image.fields[0], 'debit')
  }

  get credit(): bigint {
    return parseMinorUnits(this.#reading.image.fields[1], 'credit')
  }

  get balance(): bigint {
    return this.debit - this.credit
  }

  get version(): number {
    return this.#reading.image.version
  }

  get asOf(): Date {
    return new Date(this.#reading.asOfMs)
  }

  get source(): 'l1' | 'redis' | 'database' {
    return this.#reading.source
  }

  toJSON(): BalanceJson {
    const { companyId, account, fiscalYear, version, source } = this
    const [debit, credit] = this.#reading.image.fields
    const balance = this.balance.toString()
    return {
      companyId,
      account,
      fiscalYear,
      debit,
      credit,
      balance,
      version,
      asOf: this.asOf.toISOString(),
      source,
    }
  }
}

/**
 * The register of a balance: family `balance`, parts account and fiscal year, fields debit and credit.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a fiscal year that is no number, `INVALID_KEY` for an account
 * that is none; the rest is checked where the key is built.
 */
export function balanceRef(ref: AccountRef): RegisterRef {
  const { companyId, account, fiscalYear } = ref
  if (typeof fiscalYear !== 'number') {
    throw new InvalidInputError('fiscalYear', 'a whole number from 1 to 9999', fiscalYear)
  }
  return { companyId, family: 'balance', parts: [canonicalAccount(account), String(fiscalYear)] }
}

// Normalisation leaves ASCII as it is; a loop over the few characters of an account costs less than a test.
function canonicalAccount(account: string): string {
  if (typeof account !== 'string') return canonicalPart(account, 'account')
  for (let index = 0; index < account.length; index += 1) {
    if (account.charCodeAt(index) > 127) return canonicalPart(account, 'account')
  }
  return account
}

/**
 * The answer that must be there.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a list with holes.
 */
export function present<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new InvalidInputError('refs', 'a list without holes', value)
}
