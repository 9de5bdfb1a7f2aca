/** Runs the real app as a child process and talks to it as any client does: black box, over HTTP. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { argsOf } from '../support/programs.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const START_DEADLINE_MS = 60_000

/** An answer as it came; `body` is the parsed JSON, or undefined when it is none. */
export interface Answer {
  readonly status: number
  readonly text: string
  readonly body: unknown
  /** The client's port: the same for two answers means the same connection. */
  readonly localPort: number | undefined
}

/** What is sent. A text or bytes go as they are, anything else as JSON. */
export interface Request {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One process of the app. */
export interface ErpProcess {
  readonly url: string
  readonly pid: number
  /** Everything it printed so far. */
  output(): string
  /** Sends a request over a connection that is kept open. */
  send(path: string, request?: Request): Promise<Answer>
  /** Opens a session of a company and returns a client that bears its token. */
  as(company: string): Promise<CompanyClient>
  /** Resolves when the process has ended, by whatever signal. */
  readonly ended: Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL for one that does not end. */
  stop(): Promise<void>
}

/** Sends requests below `/companies/<company>` with a token. */
export interface CompanyClient {
  readonly token: string
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
}

/** Starts `examples/erp/src/main.ts` on a free port. `env` is all that it inherits, beside PATH and TMPDIR. */
export async function startErp(env: Readonly<Record<string, string>> = {}): Promise<ErpProcess> {
  const child = await spawnSource('examples/erp/src/main.ts', [], { PORT: '0', ...env })
  let output = ''
  const heard = new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      output += chunk.toString()
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1]
      if (url !== undefined) resolve(url)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('exit', (code, signal) =>
      reject(new Error(`the app ended before it listened (${code ?? signal}):\n${output}`)),
    )
    setTimeout(() => reject(new Error(`the app does not listen:\n${output}`)), START_DEADLINE_MS).unref()
  })
  const ended = once(child, 'exit').then(() => undefined)
  try {
    return processOf(child, await heard, ended, () => output)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Runs a TypeScript program of the repository. */
export async function spawnSource(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const program = await argsOf(join(ROOT, file))
  const inherited = { PATH: process.env['PATH'] ?? '', TMPDIR: process.env['TMPDIR'] ?? '/tmp' }
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: ROOT,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A test run that is given up leaves no process behind.
  const end = (): void => void child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

function processOf(child: ChildProcess, url: string, ended: Promise<void>, output: () => string): ErpProcess {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(late)
    agent.destroy()
  }
  return {
    url,
    pid: child.pid ?? 0,
    output,
    ...clientOf(url, agent),
    ended,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

/** Talks to an app wherever it runs. */
export function clientOf(url: string, agent: Agent): Pick<ErpProcess, 'send' | 'as'> {
  const send = (path: string, sent: Request = {}): Promise<Answer> => exchange(agent, url, path, sent)
  return { send, as: (company) => openSession(send, company) }
}

async function openSession(send: ErpProcess['send'], company: string): Promise<CompanyClient> {
  const opened = await send('/session', { method: 'POST', body: { company, user: 'tester' } })
  const token = String(fieldOf(opened.body, 'token'))
  const headers = { authorization: `Bearer ${token}` }
  return {
    token,
    get: (path) => send(`/companies/${company}${path}`, { headers }),
    post: (path, body = {}) => send(`/companies/${company}${path}`, { method: 'POST', body, headers }),
  }
}

/** One request and its whole answer; rejects when the connection breaks before the answer is complete. */
export function exchange(agent: Agent, url: string, path: string, sent: Request): Promise<Answer> {
  const isRaw = typeof sent.body === 'string' || Buffer.isBuffer(sent.body)
  const payload = isRaw ? sent.body : sent.body === undefined ? undefined : JSON.stringify(sent.body)
  const isChunked = sent.headers?.['transfer-encoding'] === 'chunked'
  const headers = {
    ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    ...(payload === undefined || isChunked ? {} : { 'content-length': String(Buffer.byteLength(payload)) }),
    ...sent.headers,
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${url}${path}`,
      { agent, method: sent.method ?? 'GET', headers },
      (incoming) => {
        const chunks: Buffer[] = []
        const localPort = incoming.socket.localPort
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: incoming.statusCode ?? 0, text, body: parsed(text), localPort })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A field of a parsed body by its path, for example `fieldOf(body, 'error', 'code')`. */
export function fieldOf(body: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
    body,
  )
}

/** Status and code of a refusal, for example `[409, 'VOUCHER_CONFLICT']`. */
export function refusalIn(answer: Pick<Answer, 'status' | 'body'>): readonly [number, unknown] {
  return [answer.status, fieldOf(answer.body, 'error', 'code')]
}
