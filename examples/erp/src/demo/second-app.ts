/**
 * A second process of the app on the same Redis and database, posting by HTTP, that may be killed: what it acknowledged
 * must be there.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Erp } from '../main.js'
import { pause } from './patience.js'

/** What was acknowledged by HTTP, and is not there. */
export interface SecondReport {
  readonly acknowledged: number
  readonly missing: number
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const COMPANY = 'c1'
/** A year in which nobody else posts. */
const YEAR = 2_031
const AGAIN_AFTER_MS = 20
const START_MS_MAX = 60_000

/** The process, and the one caller that it has. */
export class SecondApp {
  readonly #env: Readonly<Record<string, string>>
  readonly #acknowledged: string[] = []
  #child: ChildProcess | undefined
  #url = ''
  #isStopped = false
  #calling: Promise<void> = Promise.resolve()

  private constructor(env: Readonly<Record<string, string>>) {
    this.#env = env
  }

  /** Starts it, and begins to post. */
  static async open(places: { readonly redisUrl: string; readonly databaseUrl: string }): Promise<SecondApp> {
    const env = { REDIS_URL: places.redisUrl, DATABASE_URL: places.databaseUrl, PORT: '0' }
    const app = new SecondApp(env)
    await app.#start()
    app.#calling = app.#post()
    return app
  }

  async killAndStart(): Promise<void> {
    await this.#kill()
    await this.#start()
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.#url}/readyz`).catch(() => undefined)
    return answer?.status === 200
  }

  /** Posts no more, and looks for everything that was acknowledged. */
  async finish(erp: Erp): Promise<SecondReport> {
    this.#isStopped = true
    await this.#calling
    const found = await Promise.all(
      this.#acknowledged.map((id) =>
        erp.vouchers.find(COMPANY, id).then(
          () => true,
          () => false,
        ),
      ),
    )
    return { acknowledged: found.length, missing: found.filter((isThere) => !isThere).length }
  }

  async close(): Promise<void> {
    this.#isStopped = true
    await this.#kill()
    await this.#calling
  }

  /** One voucher after the other, each until it is acknowledged, whoever is dead meanwhile. */
  async #post(): Promise<void> {
    const run = process.pid
    for (let number = 1; !this.#isStopped; ) {
      const id = `second-${run}-${number}`
      const status = await this.#send(id).catch(() => 0)
      if (status === 200 || status === 201) {
        this.#acknowledged.push(id)
        number += 1
      }
      await pause(AGAIN_AFTER_MS)
    }
  }

  async #send(id: string): Promise<number> {
    const json = { 'content-type': 'application/json' }
    const session = JSON.stringify({ company: COMPANY, user: 'second' })
    const opened = await fetch(`${this.#url}/session`, { method: 'POST', headers: json, body: session })
    const { token } = (await opened.json()) as { readonly token: string }
    const lines = [
      { account: '11210', debit: '100' },
      { account: '41010', credit: '100' },
    ]
    const voucher = JSON.stringify({ id, date: `${YEAR}-01-05`, fiscalYear: YEAR, lines })
    const headers = { ...json, authorization: `Bearer ${token}` }
    const posted = await fetch(`${this.#url}/companies/${COMPANY}/vouchers`, {
      method: 'POST',
      headers,
      body: voucher,
    })
    await posted.arrayBuffer()
    return posted.status
  }

  async #start(): Promise<void> {
    const env = { ...process.env, ...this.#env }
    const child = spawn(process.execPath, [...process.execArgv, MAIN], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    process.once('exit', () => child.kill('SIGKILL'))
    let output = ''
    const endMs = performance.now() + START_MS_MAX
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
    while (performance.now() < endMs && child.exitCode === null) {
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1]
      if (url !== undefined) {
        this.#url = url
        return
      }
      await pause(AGAIN_AFTER_MS)
    }
    throw new RangeError(`the second process of the app does not listen:\n${output}`)
  }

  async #kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
