/** What a balance is: the totals of one account in one fiscal year, exact, with version, age and origin. */

import { exactJson, InvalidInputError, objectInput, parseMinorUnits, type RegisterRef } from '@kerp/core'
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
  /** The same in JSON's terms. */
  toJSON(): BalanceJson
}

// As many are made as balances are read, so it is a class: all have one shape from the start.
class AccountBalance implements Balance {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
  readonly debit: bigint
  readonly credit: bigint
  readonly balance: bigint
  readonly version: number
  readonly asOf: Date
  readonly source: Balance['source']

  constructor({ image, asOfMs, source }: RegisterReading, before: Balance | undefined) {
    const { ref, fields, version } = image
    this.companyId = ref.companyId
    this.account = ref.parts[0]
    this.fiscalYear = Number(ref.parts[1])
    this.debit = before?.debit ?? parseMinorUnits(fields[0], 'debit')
    this.credit = before?.credit ?? parseMinorUnits(fields[1], 'credit')
    this.balance = before?.balance ?? this.debit - this.credit
    this.version = version
    this.asOf = new Date(asOfMs)
    this.source = source
  }

  toJSON(): BalanceJson {
    const { companyId, account, fiscalYear, debit, credit, balance, version, asOf, source } = this
    return exactJson({ companyId, account, fiscalYear, debit, credit, balance, version, asOf, source })
  }
}

/** Writes the balance of a register; `before` is what it wrote of the same state. */
export function accountBalance(reading: RegisterReading, before: Balance | undefined): Balance {
  return Object.freeze(new AccountBalance(reading, before))
}

/** A balance under its account as the asker spelt it, which may be another spelling than its row's. */
export function spelt(answer: Balance, account: string): Balance {
  if (answer.account === account) return answer
  const fields = { ...answer, account }
  return Object.freeze(Object.assign(Object.create(AccountBalance.prototype) as AccountBalance, fields))
}

/**
 * The register of a balance: family `balance`, parts account and fiscal year, fields debit and credit.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a fiscal year that is no number, `INVALID_KEY` for an account
 * that is none; the rest is checked where the key is built.
 */
export function balanceRef(ref: AccountRef): RegisterRef {
  const { companyId, account, fiscalYear } = checkedRef(ref)
  if (typeof fiscalYear !== 'number') {
    throw new InvalidInputError('fiscalYear', 'a whole number from 1 to 9999', fiscalYear)
  }
  return { companyId, family: 'balance', parts: [canonicalAccount(account), String(fiscalYear)] }
}

/** The ref itself. @throws {InvalidInputError} `INVALID_INPUT` for what is no object. */
export function checkedRef(ref: AccountRef): AccountRef {
  return objectInput('ref', ref, 'an object with companyId, account and fiscalYear')
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
