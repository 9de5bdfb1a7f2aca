/** The chart of accounts (계정과목표): read once at start from `data/kr-chart-of-accounts.csv`. */

import { readFile } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'

/** One account of the chart. */
export interface ChartAccount {
  readonly code: string
  readonly parent: string | undefined
  readonly nameKo: string
  readonly nameEn: string
  readonly type: string
  /** `D` or `C`: where the account usually stands. Balances are debit − credit all the same. */
  readonly normalSide: string
  /** Another account names it as its parent, so nothing is posted to it. */
  readonly isGroup: boolean
}

/** The chart, in the file's order, with a look-up by code. */
export interface Chart {
  readonly accounts: readonly ChartAccount[]
  find(code: string): ChartAccount | undefined
  /** Accounts without children below these groups, at any depth, in the chart's order. */
  postableUnder(...groups: readonly string[]): readonly ChartAccount[]
}

const CHART_FILE = new URL('../data/kr-chart-of-accounts.csv', import.meta.url)

/** Reads the chart that ships with this app. */
export async function readChart(): Promise<Chart> {
  const [, ...rows] = parse(await readFile(CHART_FILE))
  const groups = new Set(rows.map(([, parent]) => parent))
  const accounts = rows.map(([code = '', parent = '', nameKo = '', nameEn = '', type = '', side = '']) => ({
    code,
    parent: parent === '' ? undefined : parent,
    nameKo,
    nameEn,
    type,
    normalSide: side,
    isGroup: groups.has(code),
  }))
  return chartOf(accounts)
}

function chartOf(accounts: readonly ChartAccount[]): Chart {
  const byCode = new Map(accounts.map((account) => [account.code, account]))
  const isUnder = (account: ChartAccount, groups: readonly string[]): boolean => {
    if (groups.includes(account.code)) return true
    const parent = account.parent === undefined ? undefined : byCode.get(account.parent)
    return parent !== undefined && isUnder(parent, groups)
  }
  return {
    accounts,
    find: (code) => byCode.get(code),
    postableUnder: (...groups) => accounts.filter((account) => !account.isGroup && isUnder(account, groups)),
  }
}
