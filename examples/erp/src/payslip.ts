/** One pay slip (급여명세서): six deductions by the rules of its month, exact to the won. */

import { divideRounded, roundToUnit } from '@kerp/core'
import type { PayrollPeriod, PayrollRules, Rate } from './payroll-rules.js'

/** What the deductions depend on, in whole won. */
export interface Pay {
  /** All that is paid, meal allowance included. */
  readonly gross: bigint
  /** Of this, meal allowance; up to a bound it is neither taxed nor charged. */
  readonly meal: bigint
  /** Members of the family, the employee included. */
  readonly family: number
  /** Of these, children from 8 to 20 years. */
  readonly children: number
}

/** The six deductions, in the order of a pay slip, and what is left. */
export interface Payslip {
  readonly gross: bigint
  readonly pension: bigint
  readonly health: bigint
  readonly longTermCare: bigint
  readonly employment: bigint
  readonly incomeTax: bigint
  readonly localIncomeTax: bigint
  readonly net: bigint
}

const PENSION_BASE_UNIT = 1_000n
const WON_10 = 10n
const TAX_TOP = 10_000_000n
const FAMILY_MAX = 11

/** Computes a slip. */
export function payslipOf(pay: Pay, period: PayrollPeriod, rules: PayrollRules): Payslip {
  const { gross, meal, family, children } = pay
  const taxable = gross - least(meal, period.mealNonTaxableMax)
  const base = clamp(roundToUnit(taxable, PENSION_BASE_UNIT, 'down'), period)
  const health = shareOf(taxable, period.health)
  const incomeTax = most(0n, tableTax(taxable, family, rules) - creditOf(children, period))
  const deductions = {
    pension: shareOf(base, period.pension),
    health,
    longTermCare: shareOf(health, period.longTermCareOfHealth),
    employment: shareOf(taxable, period.employment),
    incomeTax,
    localIncomeTax: shareOf(incomeTax, period.localTaxOfTax),
  }
  return { gross, ...deductions, net: Object.values(deductions).reduce((left, part) => left - part, gross) }
}

/** The withholding table's figure before credits for children. */
function tableTax(taxable: bigint, family: number, rules: PayrollRules): bigint {
  if (taxable >= TAX_TOP) return taxOfFamily(rules.taxesAtTop, family) + aboveTop(taxable, rules)
  const row = findRow(taxable, rules)
  return row === undefined ? 0n : taxOfFamily(row, family)
}

function aboveTop(taxable: bigint, { brackets }: PayrollRules): bigint {
  const bracket = brackets.find(({ over, upTo }) => taxable > over && (upTo === undefined || taxable <= upTo))
  if (bracket === undefined) return 0n
  const { over, add, rate } = bracket
  return cut(divideRounded((taxable - over) * rate.num, rate.den, 'down') + add)
}

/** The row whose range holds the pay; undefined below the table, where no tax is withheld. */
function findRow(taxable: bigint, { rows }: PayrollRules): readonly bigint[] | undefined {
  let [low, high] = [0, rows.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const row = rows[middle]
    if (row === undefined) return undefined
    if (taxable < row.from) high = middle - 1
    else if (taxable >= row.to) low = middle + 1
    else return row.taxes
  }
  return undefined
}

/** Beyond eleven members each further one lowers the tax as much as the eleventh did. */
function taxOfFamily(taxes: readonly bigint[], family: number): bigint {
  if (family <= FAMILY_MAX) return taxes[family - 1] ?? 0n
  const [ten = 0n, eleven = 0n] = taxes.slice(FAMILY_MAX - 2)
  return most(0n, eleven - (ten - eleven) * BigInt(family - FAMILY_MAX))
}

function creditOf(children: number, { childCredit }: PayrollPeriod): bigint {
  if (children === 0) return 0n
  return children === 1 ? childCredit.one : childCredit.two + childCredit.eachMore * BigInt(children - 2)
}

function shareOf(amount: bigint, { num, den }: Rate): bigint {
  return cut(divideRounded(amount * num, den, 'down'))
}

function cut(amount: bigint): bigint {
  return roundToUnit(amount, WON_10, 'down')
}

function clamp(base: bigint, { pensionBaseMin, pensionBaseMax }: PayrollPeriod): bigint {
  return most(pensionBaseMin, least(base, pensionBaseMax))
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

function most(one: bigint, other: bigint): bigint {
  return one > other ? one : other
}
