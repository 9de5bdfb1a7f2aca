/**
 * The statutory rules of a month's pay (급여): rates, bounds and the withholding table, read once from `data/`.
 *
 * Whole won from end to end: rates are fractions of integers, and every premium and tax is cut below 10 won.
 */

import { readFile } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'

/** A rate as a fraction, so that nothing is rounded before the rule says so. */
export interface Rate {
  readonly num: bigint
  readonly den: bigint
}

/** The rules of a range of months. */
export interface PayrollPeriod {
  /** `YYYY-MM`, both included. */
  readonly from: string
  readonly to: string
  readonly pension: Rate
  readonly pensionBaseMin: bigint
  readonly pensionBaseMax: bigint
  readonly health: Rate
  readonly longTermCareOfHealth: Rate
  readonly employment: Rate
  readonly localTaxOfTax: Rate
  readonly mealNonTaxableMax: bigint
  readonly childCredit: { readonly one: bigint; readonly two: bigint; readonly eachMore: bigint }
}

/** One row of the withholding table: from `from` won up to, not including, `to`; tax by family size. */
export interface TaxRow {
  readonly from: bigint
  readonly to: bigint
  readonly taxes: readonly bigint[]
}

/** What is added to the tax at 10 million won for pay above `over`. */
export interface TaxBracket {
  readonly over: bigint
  readonly upTo: bigint | undefined
  readonly add: bigint
  readonly rate: Rate
}

/** All rules. */
export interface PayrollRules {
  readonly rows: readonly TaxRow[]
  readonly taxesAtTop: readonly bigint[]
  readonly brackets: readonly TaxBracket[]
  /** The rules of a month, or undefined when there are none. */
  periodOf(month: string): PayrollPeriod | undefined
  /** Share of employees and what they earn in a year, in won. */
  readonly wageQuantiles: readonly (readonly [number, bigint])[]
}

/** The shape of `kr-payroll-rules.json`, as far as it is used. */
interface RulesFile {
  readonly periods: readonly {
    readonly from: string
    readonly to: string
    readonly national_pension: {
      readonly employee: string
      readonly base_min: number
      readonly base_max: number
    }
    readonly health: { readonly employee: string }
    readonly long_term_care_of_health: { readonly num: number; readonly den: number }
    readonly employment: { readonly employee: string }
    readonly child_8_20_credit: { readonly one: number; readonly two: number; readonly each_more: number }
    readonly local_income_tax_of_income_tax: string
    readonly meal_non_taxable_max: number
  }[]
  readonly above_10000_thousand: readonly {
    readonly over: number
    readonly upto: number | null
    readonly add: number
    readonly factor: string
    readonly rate: string
  }[]
  readonly at_exactly_10000_thousand: readonly number[]
  readonly wage_quantiles_2023_full_year_employees: { readonly annual_won: Readonly<Record<string, number>> }
}

const RULES_FILE = new URL('../data/kr-payroll-rules.json', import.meta.url)
const TABLE_FILE = new URL('../data/kr-withholding-table.csv', import.meta.url)
const THOUSAND = 1_000n

/** Reads the rules that ship with this app. */
export async function readPayrollRules(): Promise<PayrollRules> {
  const file = JSON.parse(await readFile(RULES_FILE, 'utf8')) as RulesFile
  const [, ...rows] = parse(await readFile(TABLE_FILE))
  const periods = file.periods.map(periodOf)
  const quantiles = Object.entries(file.wage_quantiles_2023_full_year_employees.annual_won)
  return {
    rows: rows.map(rowOf),
    taxesAtTop: file.at_exactly_10000_thousand.map(BigInt),
    brackets: file.above_10000_thousand.map(({ over, upto, add, factor, rate }) => ({
      over: BigInt(over),
      upTo: upto === null ? undefined : BigInt(upto),
      add: BigInt(add),
      rate: product(rateOf(factor), rateOf(rate)),
    })),
    periodOf: (month) => periods.find(({ from, to }) => from <= month && month <= to),
    wageQuantiles: quantiles.map(([share, won]) => [Number(share), BigInt(won)] as const),
  }
}

function periodOf(period: RulesFile['periods'][number]): PayrollPeriod {
  const { national_pension: pension, long_term_care_of_health: care, child_8_20_credit: child } = period
  return {
    from: period.from.slice(0, 'YYYY-MM'.length),
    to: period.to.slice(0, 'YYYY-MM'.length),
    pension: rateOf(pension.employee),
    pensionBaseMin: BigInt(pension.base_min),
    pensionBaseMax: BigInt(pension.base_max),
    health: rateOf(period.health.employee),
    longTermCareOfHealth: { num: BigInt(care.num), den: BigInt(care.den) },
    employment: rateOf(period.employment.employee),
    localTaxOfTax: rateOf(period.local_income_tax_of_income_tax),
    mealNonTaxableMax: BigInt(period.meal_non_taxable_max),
    childCredit: { one: BigInt(child.one), two: BigInt(child.two), eachMore: BigInt(child.each_more) },
  }
}

function rowOf(cells: readonly string[]): TaxRow {
  const [from = 0n, to = 0n, ...taxes] = cells.map((cell) => BigInt(cell))
  return { from: from * THOUSAND, to: to * THOUSAND, taxes }
}

/** `0.03545` as 3545 / 100000. */
function rateOf(text: string): Rate {
  const [whole = '', fraction = ''] = text.split('.')
  return { num: BigInt(whole + fraction), den: 10n ** BigInt(fraction.length) }
}

function product(one: Rate, other: Rate): Rate {
  return { num: one.num * other.num, den: one.den * other.den }
}
