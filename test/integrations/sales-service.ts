/** What every example service must do, whatever framework carries it. */

import { expect, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'

/** One way to run the service. */
export interface ServiceDriver {
  readonly name: string
  /** Starts it on a free port, on a database of its own. */
  readonly open: () => Promise<RunningService>
}

/** A service that listens. */
export interface RunningService {
  readonly url: string
  close(): Promise<void>
}

/** Registers the tests of a service. */
export function describeSalesService({ name, open }: ServiceDriver): void {
  test(`with ${name}, a sale that is sent twice counts once, and its balance is read exactly`, async () => {
    const service = await open()
    try {
      const company = freshCompany()
      const amount = '9007199254740993'
      const sell = (id: string): Promise<Answer> =>
        ask(`${service.url}/${company}/sales/${id}`, { method: 'PUT', body: JSON.stringify({ amount }) })

      expect(await sell('s-1')).toMatchObject({ status: 200, json: { balance: amount, version: 1 } })
      expect(await sell('s-1')).toMatchObject({ status: 200, json: { balance: amount, version: 1 } })
      const twice = '18014398509481986'
      expect(await sell('s-2')).toMatchObject({ json: { balance: twice, version: 2 } })
      const sales = await ask(`${service.url}/${company}/balances/sales`)
      expect(sales.json).toMatchObject({ balance: `-${twice}`, version: 2, account: 'sales' })
    } finally {
      await service.close()
    }
  })

  test(`with ${name}, a sale whose amount is no whole number of minor units is refused, and nothing is posted`, async () => {
    const service = await open()
    try {
      const company = freshCompany()
      const sell = (body: string | undefined): Promise<Answer> =>
        ask(`${service.url}/${company}/sales/s-1`, { method: 'PUT', body: body ?? null })

      const expected = 'a whole number of minor units as a string'
      for (const [body, got] of [
        ['{"amount":"1e3"}', '"#e#" (string)'],
        ['{"amount":1000}', '#### (number)'],
        ['{}', 'undefined'],
      ] as const) {
        const message = `\`amount\` must be ${expected}, got ${got}.`
        const error = { code: 'INVALID_AMOUNT', message, retryable: false }
        expect(await sell(body)).toMatchObject({ status: 422, json: { error } })
      }
      const invalid = { error: { code: 'VOUCHER_INVALID', retryable: false } }
      expect(await sell('{"amount":"-1000"}')).toMatchObject({ status: 422, json: invalid })
      const cash = await ask(`${service.url}/${company}/balances/cash`)
      expect(cash).toMatchObject({ status: 200, json: { balance: '0', version: 0 } })
    } finally {
      await service.close()
    }
  })

  test(`with ${name}, another amount under the id of a sale is refused, and the first one stands`, async () => {
    const service = await open()
    try {
      const company = freshCompany()
      const sell = (amount: string): Promise<Answer> =>
        ask(`${service.url}/${company}/sales/s-1`, { method: 'PUT', body: JSON.stringify({ amount }) })

      await sell('1000')
      const message = 'Voucher "s-1" was posted before with another content.'
      const error = { code: 'VOUCHER_CONFLICT', message, retryable: false }
      expect(await sell('1001')).toMatchObject({ status: 409, json: { error } })
      const cash = await ask(`${service.url}/${company}/balances/cash`)
      expect(cash).toMatchObject({ json: { balance: '1000', version: 1 } })
    } finally {
      await service.close()
    }
  })

  test(`with ${name}, a body that is no JSON is refused in the words of the framework`, async () => {
    const service = await open()
    try {
      const url = `${service.url}/${freshCompany()}/sales/s-1`
      const { status, text } = await ask(url, { method: 'PUT', body: '{"amount":' })
      expect(status).toBe(400)
      expect(text).not.toContain('retryable')
    } finally {
      await service.close()
    }
  })

  test(`with ${name}, machines learn that it is alive and ready, and what it counted`, async () => {
    const service = await open()
    try {
      expect(await ask(`${service.url}/healthz`)).toMatchObject({ status: 200, json: { ok: true } })
      const ready = await ask(`${service.url}/readyz`)
      expect(ready).toMatchObject({ status: 200, json: { ready: true } })
      await ask(`${service.url}/${freshCompany()}/balances/cash`)
      const { status, type, text } = await ask(`${service.url}/metrics`)
      expect({ status, type }).toEqual({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
      expect(text).toMatch(/^cache_requests_total\{type="balance",result="\w+"\} [1-9]/m)
      expect((await ask(`${service.url}/nothing`)).status).toBe(404)
    } finally {
      await service.close()
    }
  })
}

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  readonly json: unknown
}

async function ask(url: string, request: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { headers: { 'content-type': 'application/json' }, ...request })
  const type = response.headers.get('content-type')
  const text = await response.text()
  const json: unknown = type?.includes('json') === true ? JSON.parse(text) : undefined
  return { status: response.status, type, text, json }
}
