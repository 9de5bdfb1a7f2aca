/** The routes of vouchers: post, read, reverse, approve. */

import { formatAmount, type Observer, parseAmount } from '@kerp/core'
import type { PostedVoucher, StoredVoucher, Voucher, VoucherLine } from '@kerp/postgres'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Company } from './companies.js'
import {
  type Fields,
  fiscalYearField,
  listField,
  nameField,
  objectOf,
  optionalTextField,
  textField,
} from './http/fields.js'
import { type BalanceView, imageView } from './http/money.js'
import { bodyFields, companyOf, type HttpServer, pathFields } from './http/server.js'
import type { Vouchers } from './vouchers.js'

/** Registers the routes below `/companies/:company`. */
export function voucherRoutes(server: HttpServer, vouchers: Vouchers, observer: Observer): void {
  server.post('/vouchers', async (request, reply) => {
    observer.step?.({ name: 'http.received' })
    const company = companyOf(request)
    const posted = await vouchers.post(voucherOf(company, bodyFields(request)))
    observer.step?.({ name: 'http.answering' })
    return answerPosted(reply, company, posted)
  })

  server.get('/vouchers/:voucher', async (request) => {
    const company = companyOf(request)
    return voucherView(company, await vouchers.find(company.id, voucherIdOf(request)))
  })

  server.post('/vouchers/:voucher/reverse', async (request, reply) => {
    const company = companyOf(request)
    const body = bodyFields(request)
    const reversal = { id: nameField(body, 'id'), date: optionalTextField(body, 'date') }
    return answerPosted(reply, company, await vouchers.reverse(company.id, voucherIdOf(request), reversal))
  })

  server.post('/vouchers/:voucher/approve', async (request) => {
    const company = companyOf(request)
    const approval = await vouchers.approve(company.id, voucherIdOf(request))
    return { id: approval.voucherId, state: 'approved', approvedAt: approval.approvedAt.toISOString() }
  })
}

/** 201 for the posting itself, 200 for each repetition, with the same body. */
function answerPosted(reply: FastifyReply, company: Company, posted: PostedVoucher): PostedView {
  reply.code(posted.replayed ? 200 : 201)
  return { id: posted.voucherId, balances: posted.images.map((image) => imageView(company, image)) }
}

interface PostedView {
  readonly id: string
  readonly balances: readonly BalanceView[]
}

function voucherIdOf(request: FastifyRequest): string {
  return nameField(pathFields(request), 'voucher', 'id')
}

/** Only the shape is checked here, and the amounts are read; what a voucher must be, the ledger knows. */
function voucherOf(company: Company, body: Fields): Voucher {
  return {
    companyId: company.id,
    id: nameField(body, 'id'),
    date: textField(body, 'date'),
    fiscalYear: fiscalYearField(body),
    lines: listField(body, 'lines').map((line, index) => lineOf(company, line, `lines[${index}]`)),
  }
}

function lineOf(company: Company, value: unknown, path: string): VoucherLine {
  const line = objectOf(value, path)
  const amount = (side: 'debit' | 'credit'): bigint | undefined =>
    line[side] === undefined ? undefined : parseAmount(line[side], company.currency, `${path}.${side}`)
  return {
    account: nameField(line, 'account', `${path}.account`),
    debit: amount('debit'),
    credit: amount('credit'),
    memo: optionalTextField(line, 'memo', `${path}.memo`),
  }
}

function voucherView(company: Company, voucher: StoredVoucher): object {
  const side = (name: 'debit' | 'credit', minorUnits: bigint): object =>
    minorUnits === 0n ? {} : { [name]: formatAmount(minorUnits, company.currency) }
  return {
    id: voucher.id,
    date: voucher.date,
    fiscalYear: voucher.fiscalYear,
    state: voucher.state,
    lines: voucher.lines.map(({ account, debit, credit, memo }) => ({
      account,
      ...side('debit', debit),
      ...side('credit', credit),
      memo,
    })),
    reverses: voucher.reverses,
    reversedBy: voucher.reversedBy,
    postedAt: voucher.postedAt.toISOString(),
    approvedAt: voucher.approvedAt?.toISOString(),
  }
}
