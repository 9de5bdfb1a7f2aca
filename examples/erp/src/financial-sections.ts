/** The four sections of a financial report, computed from what was posted before and within its period. */

import { divideRounded, formatAmount } from '@kerp/core'
import type { TurnoverRow } from '@kerp/postgres'
import type { Chart, ChartAccount } from './chart.js'
import type { Company } from './companies.js'

/** What a section is computed from. */
export interface SectionInput {
  readonly company: Company
  readonly chart: Chart
  readonly turnover: readonly TurnoverRow[]
}

/** A section as JSON; money in major units. */
export type SectionData = Readonly<Record<string, unknown>>

type Side = 'D' | 'C'
type TypeName = 'asset' | 'liability' | 'equity' | 'revenue' | 'expense'

/** One account's figure, on the side where it usually stands. */
interface Figure {
  readonly account: ChartAccount
  readonly before: bigint
  readonly within: bigint
}

const SIDE_OF: Readonly<Record<TypeName, Side>> = {
  asset: 'D',
  expense: 'D',
  liability: 'C',
  equity: 'C',
  revenue: 'C',
}
const CASH = ['11010', '11020', '11030']
const CURRENT_ASSETS = ['11000', '12000']
const CURRENT_LIABILITIES = ['21000']
const RATIO_DIGITS = 4

/** 재무상태표 as of the last day: assets = liabilities + equity, what was earned so far included. */
export function balanceSheet(input: SectionInput): SectionData {
  const part = (type: TypeName): readonly [bigint, readonly object[]] => listed(input, type, closing)
  const [assets, assetRows] = part('asset')
  const [liabilities, liabilityRows] = part('liability')
  const [paidIn, equityRows] = part('equity')
  const earned = part('revenue')[0] - part('expense')[0]
  const money = moneyOf(input)
  return {
    assets: { total: money(assets), accounts: assetRows },
    liabilities: { total: money(liabilities), accounts: liabilityRows },
    equity: { total: money(paidIn + earned), unclosedIncome: money(earned), accounts: equityRows },
    balanced: assets === liabilities + paidIn + earned,
  }
}

/** 손익계산서 of the period. */
export function incomeStatement(input: SectionInput): SectionData {
  const [revenue, revenueRows] = listed(input, 'revenue', ({ within }) => within)
  const [expense, expenseRows] = listed(input, 'expense', ({ within }) => within)
  const money = moneyOf(input)
  return {
    revenue: { total: money(revenue), accounts: revenueRows },
    expense: { total: money(expense), accounts: expenseRows },
    netIncome: money(revenue - expense),
  }
}

/** 현금흐름표 of the period, indirect: what is earned, corrected by what every other account took or gave. */
export function cashFlow(input: SectionInput): SectionData {
  const { chart } = input
  const isCash = standsUnder(chart, CASH)
  const isCurrent = standsUnder(chart, [...CURRENT_ASSETS, ...CURRENT_LIABILITIES])
  const assets = figuresOf(input, 'asset')
  const liabilities = figuresOf(input, 'liability')
  const netIncome = totalWithin(input, 'revenue') - totalWithin(input, 'expense')
  const others = assets.filter((figure) => !isCash(figure))
  const operating = netIncome + changeOf(liabilities.filter(isCurrent)) - changeOf(others.filter(isCurrent))
  const investing = -changeOf(others.filter((figure) => !isCurrent(figure)))
  const financing =
    changeOf(liabilities.filter((figure) => !isCurrent(figure))) + changeOf(figuresOf(input, 'equity'))
  const cash = assets.filter(isCash)
  const opening = cash.reduce((sum, { before }) => sum + before, 0n)
  const change = changeOf(cash)
  const money = moneyOf(input)
  return {
    netIncome: money(netIncome),
    operating: money(operating),
    investing: money(investing),
    financing: money(financing),
    change: money(change),
    opening: money(opening),
    closing: money(opening + change),
    balanced: operating + investing + financing === change,
  }
}

/** 재무비율: null where there is nothing to divide by. */
export function ratios(input: SectionInput): SectionData {
  const total = (type: TypeName): bigint => listed(input, type, closing)[0]
  const under = (type: TypeName, groups: readonly string[]): bigint => {
    const figures = figuresOf(input, type).filter(standsUnder(input.chart, groups))
    return figures.reduce((sum, figure) => sum + closing(figure), 0n)
  }
  const equity = total('equity') + total('revenue') - total('expense')
  const revenue = totalWithin(input, 'revenue')
  const netIncome = revenue - totalWithin(input, 'expense')
  return {
    currentRatio: ratio(under('asset', CURRENT_ASSETS), under('liability', CURRENT_LIABILITIES)),
    debtRatio: ratio(total('liability'), equity),
    netMargin: ratio(netIncome, revenue),
    returnOnAssets: ratio(netIncome, total('asset')),
  }
}

/** What stands on an account at the end of the period. */
function closing({ before, within }: Figure): bigint {
  return before + within
}

/** Whether a figure is of an account below these groups. */
function standsUnder(chart: Chart, groups: readonly string[]): (figure: Figure) => boolean {
  const codes = new Set(chart.postableUnder(...groups).map(({ code }) => code))
  return ({ account }) => codes.has(account.code)
}

/** Every account of a type that was posted to. */
function figuresOf({ chart, turnover }: SectionInput, type: TypeName): readonly Figure[] {
  const sign = SIDE_OF[type] === 'D' ? 1n : -1n
  return turnover.flatMap(({ account: code, debitBefore, creditBefore, debit, credit }) => {
    const account = chart.find(code)
    if (account?.type !== type) return []
    return [{ account, before: (debitBefore - creditBefore) * sign, within: (debit - credit) * sign }]
  })
}

function listed(
  input: SectionInput,
  type: TypeName,
  amountOf: (figure: Figure) => bigint,
): readonly [bigint, readonly object[]] {
  const money = moneyOf(input)
  const figures = figuresOf(input, type).filter((figure) => amountOf(figure) !== 0n)
  const rows = figures.map((figure) => {
    const { code, nameKo, nameEn } = figure.account
    return { account: code, nameKo, nameEn, amount: money(amountOf(figure)) }
  })
  return [figures.reduce((sum, figure) => sum + amountOf(figure), 0n), rows]
}

function totalWithin(input: SectionInput, type: TypeName): bigint {
  return changeOf(figuresOf(input, type))
}

function changeOf(figures: readonly Figure[]): bigint {
  return figures.reduce((sum, { within }) => sum + within, 0n)
}

function moneyOf({ company }: SectionInput): (minorUnits: bigint) => string {
  return (minorUnits) => formatAmount(minorUnits, company.currency)
}

/** As a decimal text with four digits. */
function ratio(part: bigint, whole: bigint): string | null {
  if (whole === 0n) return null
  const scaled = divideRounded(part * 10n ** BigInt(RATIO_DIGITS), whole, 'halfUp')
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(RATIO_DIGITS + 1, '0')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -RATIO_DIGITS)}.${digits.slice(-RATIO_DIGITS)}`
}
