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
