/** Posts sales and answers balances. */

import { type Balance, BalanceCache } from '@kerp/balance-cache'
import { parseMinorUnits } from '@kerp/core'
import { Ledger } from '@kerp/postgres'
import { Body, Controller, Get, Inject, Param, Put } from '@nestjs/common'

const FISCAL_YEAR = 2026

/** The routes of a company. */
@Controller(':company')
export class SalesController {
  readonly #ledger: Ledger
  readonly #balances: BalanceCache

  constructor(@Inject(Ledger) ledger: Ledger, @Inject(BalanceCache) balances: BalanceCache) {
    this.#ledger = ledger
    this.#balances = balances
  }

  /** A sale for cash; the same id twice is one sale. */
  @Put('sales/:id')
  async sell(
    @Param('company') companyId: string,
    @Param('id') id: string,
    @Body('amount') given: unknown,
  ): Promise<Balance> {
    const amount = parseMinorUnits(given)
    const lines = [
      { account: 'cash', debit: amount },
      { account: 'sales', credit: amount },
    ]
    const posted = await this.#ledger.post({
      companyId,
      id,
      date: '2026-01-05',
      fiscalYear: FISCAL_YEAR,
      lines,
    })
    await this.#balances.apply(posted)
    const cash = { companyId, account: 'cash', fiscalYear: FISCAL_YEAR }
    return this.#balances.get(cash, { atLeast: posted.token })
  }

  /** The balance of an account. */
  @Get('balances/:account')
  balance(@Param('company') companyId: string, @Param('account') account: string): Promise<Balance> {
    return this.#balances.get({ companyId, account, fiscalYear: FISCAL_YEAR })
  }
}
