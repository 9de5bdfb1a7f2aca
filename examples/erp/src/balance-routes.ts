/** Reading balances: through the cache, or as one consistent cut of the database. */

import type { Balance, BalanceCache } from '@kerp/balance-cache'
import { formatAmount, InvalidInputError, type ReadToken, readTokenOf, type RegisterImage } from '@kerp/core'
import type { Ledger, LedgerLine } from '@kerp/postgres'
import type { Chart } from './chart.js'
import type { Company } from './companies.js'
import type { MasterData } from './master-data.js'
import { type Fields, fiscalYearQuery, limitQuery, optionalTextField, textField } from './http/fields.js'
import { balanceView } from './http/money.js'
import { companyOf, type HttpServer, pathFields, queryFields } from './http/server.js'

/** The most accounts of one request. */
const ACCOUNTS_MAX = 1_000
const LEDGER_PAGE = { fallback: 100, max: 1_000 }

/** What the routes read from. */
export interface BalanceRoutesOptions {
  readonly balances: BalanceCache
  readonly ledger: Ledger
  readonly chart: Chart
  readonly masterData: MasterData
}

/** Registers the routes below `/companies/:company`. */
export function balanceRoutes(server: HttpServer, options: BalanceRoutesOptions): void {
  const { balances, ledger, chart, masterData } = options
  server.get('/balances', async (request) => {
    const company = companyOf(request)
    const query = queryFields(request)
    const fiscalYear = fiscalYearQuery(query)
    const accounts = accountsOf(query, chart)
    const refs = accounts.map((account) => ({ companyId: company.id, account, fiscalYear }))
    const atLeast = atLeastOf(query, company, fiscalYear)
    const found = await balances.getMany(refs, atLeast === undefined ? {} : { atLeast })
    return { balances: found.map((balance) => readBalanceView(company, balance)) }
  })

  server.get('/accounts/:account/ledger', async (request) => {
    const company = companyOf(request)
    const query = queryFields(request)
    const fiscalYear = fiscalYearQuery(query)
    const account = knownAccount(textField(pathFields(request), 'account'), chart)
    const limit = limitQuery(query, LEDGER_PAGE)
    const after = optionalTextField(query, 'after')
    const page = await ledger.accountLedger({ companyId: company.id, account, fiscalYear, after, limit })
    return { account, fiscalYear, lines: page.lines.map((line) => lineView(company, line)), next: page.next }
  })

  server.get('/trial-balance', async (request) => {
    const company = companyOf(request)
    const fiscalYear = fiscalYearQuery(queryFields(request))
    const [trial, accounts] = await Promise.all([
      ledger.trialBalance(company.id, fiscalYear),
      masterData.accounts(company.id),
    ])
    const rows = new Map(trial.rows.map((row) => [row.account, row]))
    const postable = accounts.filter(({ kind }) => kind === 'postable')
    return {
      fiscalYear,
      balances: postable.map(({ code, name }) => ({
        ...balanceView(
          company,
          fiscalYear,
          rows.get(code) ?? { account: code, debit: 0n, credit: 0n, version: 0 },
        ),
        nameKo: name,
        nameEn: chart.find(code)?.nameEn ?? name,
      })),
      totals: {
        debit: formatAmount(trial.debit, company.currency),
        credit: formatAmount(trial.credit, company.currency),
      },
      asOf: trial.asOf.toISOString(),
    }
  })
}

function readBalanceView(company: Company, balance: Balance): object {
  return {
    ...balanceView(company, balance.fiscalYear, balance),
    asOf: balance.asOf.toISOString(),
    source: balance.source,
  }
}

function lineView(company: Company, line: LedgerLine): object {
  const money = (minorUnits: bigint): string => formatAmount(minorUnits, company.currency)
  return {
    voucherId: line.voucherId,
    date: line.date,
    debit: money(line.debit),
    credit: money(line.credit),
    balance: money(line.balanceAfter),
    version: line.version,
    memo: line.memo,
  }
}

function accountsOf(query: Fields, chart: Chart): readonly string[] {
  const accounts = textField(query, 'accounts').split(',')
  if (accounts.length > ACCOUNTS_MAX) {
    throw new InvalidInputError('accounts', `at most ${ACCOUNTS_MAX} accounts`, accounts)
  }
  return accounts.map((account) => knownAccount(account, chart))
}

function knownAccount(account: string, chart: Chart): string {
  if (chart.find(account) !== undefined) return account
  throw new InvalidInputError('account', 'an account of the chart', account)
}

/**
 * `A:7,B:9`: each row in at least this version, of whatever database history. A client that wants to know that
 * the history is still the same compares the versions it was given.
 */
function atLeastOf(query: Fields, company: Company, fiscalYear: number): ReadToken | undefined {
  const text = optionalTextField(query, 'atLeast')
  if (text === undefined) return undefined
  const images = text.split(',').map((part): RegisterImage => {
    const [, account, version] = /^([^:]{1,128}):(\d{1,15})$/.exec(part) ?? []
    if (account === undefined) throw new InvalidInputError('atLeast', 'a list such as 11210:7,41010:9', part)
    const ref = {
      companyId: company.id,
      family: 'balance' as const,
      parts: [account, String(fiscalYear)] as const,
    }
    return { ref, version: Number(version), fields: ['0', '0'] }
  })
  return readTokenOf({ epoch: undefined, images })
}
