/**
 * The browser's side of a hub, without dependencies: connects, subscribes, checks that nothing is missing, and comes
 * back after every failure to where it was. Runs in Node too.
 */

/** The part of a WebSocket that is used. */
export interface LiveSocket {
  readonly readyState: number
  onopen: (() => void) | null
  onmessage: ((message: { readonly data: unknown }) => void) | null
  onclose: ((closed: { readonly code: number }) => void) | null
  onerror: ((error?: unknown) => void) | null
  send(text: string): void
  close(): void
}

/** `syncing`: connected, not yet shown everything. `offline`: waits before it connects again. `closed`: for good. */
export type LiveState = 'idle' | 'connecting' | 'syncing' | 'live' | 'offline' | 'closed'

/** Why the client is not live: for the page to show, and for its log. */
export interface LiveFailure {
  /**
   * `ticket`: none came · `connect`: no connection could be opened, nothing was sent · `close`: the connection ended ·
   * `silence`: nothing came in time · `frame`: something came that is no frame, or frames that do not follow each other ·
   * `refused`: the hub refuses what was subscribed.
   */
  readonly reason: 'ticket' | 'connect' | 'close' | 'silence' | 'frame' | 'refused'
  readonly message: string
  /** False when the client closed itself for good. */
  readonly willRetry: boolean
  /** The close code, or the code of the refusal. */
  readonly code?: number | string | undefined
  /** What was thrown, or the error event of the socket. */
  readonly cause?: unknown
}

/** What one topic's user does with it. Items of states are absolute: applying one twice changes nothing. */
export interface LiveSubscriber {
  /** Everything as it stands; whatever was there before is void. */
  snapshot(items: readonly unknown[]): void
  /** What changed since. */
  apply(items: readonly unknown[]): void
}

/** Options of `LiveClient`. */
export interface LiveClientOptions {
  /** `wss://…/live` */
  readonly url: string
  /** Gets a new ticket; called for each connection. What it throws, or takes too long for, is tried again later. */
  readonly ticket: () => Promise<string>
  /** The sub-protocol that the hub speaks. @defaultValue 'kerp.live.v1' */
  readonly protocol?: string | undefined
  /** Opens a connection; for tests and for programs that are no browser. @defaultValue a WebSocket of the browser */
  readonly connect?: ((url: string, protocols: readonly string[]) => LiveSocket) | undefined
  /** Called with each new state of the client. */
  readonly onState?: ((state: LiveState) => void) | undefined
  /** Called with the cause each time the client stops being live, or does not come to be, after `onState`. */
  readonly onFailure?: ((failure: LiveFailure) => void) | undefined
  /** Pauses between attempts are random between half of this and all of it, doubled each time. @defaultValue 500 */
  readonly backoffMs?: number | undefined
  /** The longest pause between two attempts, in ms. @defaultValue 20_000 */
  readonly backoffMsMax?: number | undefined
  /**
   * Silence after which the server is asked, and after twice that given up; a ticket or a connection that is not there
   * by then is given up at once. @defaultValue 15_000
   */
  readonly silenceMsMax?: number | undefined
}

interface Frame {
  readonly op?: unknown
  readonly topic?: unknown
  readonly from?: unknown
  readonly to?: unknown
  readonly history?: unknown
  readonly items?: unknown
  readonly events?: unknown
  readonly after?: unknown
  readonly code?: unknown
}

type FailureFacts = Omit<LiveFailure, 'message' | 'willRetry'>

const LOG_TOPIC = 'events'
const OPEN = 1
const MS_MAX = 300_000
const TERMINAL: readonly number[] = [1002, 1003, 1007, 1008, 1009]
const FAILURES_MAX = 16

/** What a sub-protocol's name consists of: a ticket of nothing else is sent as it is. */
const TOKEN = /^[!#$%&'*+\-.^`|~\w]*$/
const NOT_TOKEN_OR_PERCENT = /[^!#$&'*+\-.^`|~\w]/gu

/**
 * A client of one hub.
 *
 * Each frame names the position before it, which must be the position of the frame before: so a gap is noticed
 * wherever it came from, and closed by resuming from the last position that is certain.
 */
export class LiveClient {
  readonly #options: LiveClientOptions
  readonly #subscribers = new Map<string, LiveSubscriber>()
  #state: LiveState = 'idle'
  #socket: LiveSocket | undefined
  /** Raised by each attempt and by `close`: what an earlier one still does is ignored. */
  #turn = 0
  #position: string | undefined
  #history: string | undefined
  #missing = new Set<string>()
  #isAsking = false
  #failures = 0
  #retryMs: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined

  constructor(options: LiveClientOptions) {
    this.#options = options
  }

  get state(): LiveState {
    return this.#state
  }

  /** The last position that was shown, to compare with the server's. */
  get position(): string | undefined {
    return this.#position
  }

  /** Hears a topic from its snapshot on; the returned function stops that. To be called before `start`. */
  subscribe(topic: string, subscriber: LiveSubscriber): () => void {
    this.#subscribers.set(topic, subscriber)
    return () => void this.#subscribers.delete(topic)
  }

  /** Connects, and stays connected until `close`. */
  start(): void {
    if (this.#state === 'idle') void this.#connect()
  }

  /** Connects at once if it is waiting: after the network came back, or the page is looked at again. */
  wake(): void {
    if (this.#state === 'offline' && this.#retryMs === undefined) void this.#connect()
    else if (this.#state === 'live') this.#ask()
  }

  close(): void {
    this.#turn += 1
    this.#drop()
    this.#become('closed')
  }

  async #connect(): Promise<void> {
    this.#turn += 1
    const turn = this.#turn
    this.#drop()
    // A ticket that never comes must not keep the client from trying again.
    this.#watch()
    this.#become('connecting')
    let ticket: unknown
    try {
      ticket = await this.#options.ticket()
    } catch (cause) {
      if (turn === this.#turn) this.#later({ reason: 'ticket', cause })
      return
    }
    if (turn !== this.#turn) return
    if (typeof ticket !== 'string') {
      this.#later({ reason: 'ticket', cause: { message: `it must be text, got ${typeof ticket}` } })
      return
    }
    try {
      this.#open(turn, ticket)
    } catch (cause) {
      if (turn === this.#turn) this.#later({ reason: 'connect', cause })
    }
  }

  #open(turn: number, ticket: string): void {
    const { url, protocol = 'kerp.live.v1', connect = browserSocket } = this.#options
    const socket = connect(url, [protocol, ticketItem(ticket)])
    const isCurrent = (): boolean => turn === this.#turn
    let cause: unknown
    this.#socket = socket
    this.#watch()
    socket.onopen = () => {
      if (isCurrent()) this.#join()
    }
    socket.onmessage = ({ data }) => {
      if (isCurrent() && typeof data === 'string') this.#hear(data)
    }
    // It says little, and the close that follows says the rest.
    socket.onerror = (error) => (cause = error)
    socket.onclose = ({ code }) => {
      if (!isCurrent()) return
      const facts = { reason: 'close', code, cause } as const
      if (code >= 4500 || TERMINAL.includes(code)) this.#giveUp(facts)
      else this.#later(facts)
    }
  }

  /** Asks for all topics, from where it stands if it stands anywhere. */
  #join(): void {
    this.#become('syncing')
    const topics = [...this.#subscribers.keys()]
    const resume = this.#position === undefined ? {} : { resume: this.#position, history: this.#history }
    this.#missing = new Set(this.#position === undefined ? topics : [])
    this.#send({ op: 'subscribe', topics, ...resume })
    // The answer to this tells that everything before it was shown, when there is nothing to show.
    this.#send({ op: 'ping' })
  }

  #hear(text: string): void {
    this.#watch()
    const frame = frameIn(text)
    // What is no frame was written by somebody between, and what it stands for is missing.
    if (frame === undefined) this.#later({ reason: 'frame' })
    else if (frame.op === 'snapshot') this.#show(frame)
    else if (frame.op === 'events' || frame.op === 'state') this.#apply(frame)
    else if (frame.op === 'reset') this.#reset()
    else if (frame.op === 'bye') this.#retryMs = boundedMs(frame.after)
    else if (frame.op === 'pong') this.#settle()
    else if (frame.op === 'error' && this.#state === 'syncing') {
      this.#giveUp({ reason: 'refused', code: typeof frame.code === 'string' ? frame.code : '' })
    }
  }

  /** Something is lost for good: what is shown is void until the snapshots come. */
  #reset(): void {
    this.#position = undefined
    this.#missing = new Set(this.#subscribers.keys())
    this.#become('syncing')
  }

  #show({ topic, to, history, items }: Frame): void {
    if (typeof topic !== 'string' || typeof to !== 'string' || !Array.isArray(items)) return
    this.#position = to
    this.#history = typeof history === 'string' ? history : undefined
    this.#missing.delete(topic)
    this.#subscribers.get(topic)?.snapshot(items)
    this.#settle()
  }

  #apply({ op, topic, from, to, items, events }: Frame): void {
    if (typeof to !== 'string' || from !== this.#position) {
      this.#resume()
      return
    }
    this.#position = to
    if (op === 'state') {
      if (typeof topic === 'string' && Array.isArray(items)) this.#subscribers.get(topic)?.apply(items)
    } else if (Array.isArray(events) && events.length > 0) {
      this.#subscribers.get(LOG_TOPIC)?.apply(events)
    }
    this.#settle()
  }

  /** A frame does not follow the one before. */
  #resume(): void {
    if (this.#state === 'syncing' && this.#missing.size > 0) return
    this.#failures += 1
    if (this.#failures > 3) this.#later({ reason: 'frame' })
    else this.#join()
  }

  #settle(): void {
    if (this.#state !== 'syncing' || this.#missing.size > 0 || this.#position === undefined) return
    this.#failures = 0
    this.#become('live')
  }

  #later(facts: FailureFacts): void {
    this.#turn += 1
    this.#drop()
    const { backoffMs = 500, backoffMsMax = 20_000 } = this.#options
    const longestMs = Math.min(backoffMsMax, backoffMs * 2 ** this.#failures)
    const waitMs = this.#retryMs ?? (longestMs / 2) * (1 + Math.random())
    this.#failures = Math.min(this.#failures + 1, FAILURES_MAX)
    const turn = this.#turn
    this.#timer = setTimeout(() => {
      this.#retryMs = undefined
      void this.#connect()
    }, waitMs)
    // Last: whoever hears of it may close the client, or wake it.
    this.#become('offline')
    this.#tell(facts, turn === this.#turn)
  }

  #giveUp(facts: FailureFacts): void {
    this.close()
    this.#tell(facts, false)
  }

  #tell(facts: FailureFacts, willRetry: boolean): void {
    const words = `${WORDS[facts.reason]}${facts.code === undefined ? '' : ` (${facts.code})`}`
    const message = `${words}${wordsOf(facts.cause)}`
    this.#options.onFailure?.({ ...facts, message, willRetry })
  }

  /** A socket that does not answer is left behind; its end is not waited for. */
  #drop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#silence)
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.onerror = () => undefined
    socket.close()
  }

  #watch(): void {
    this.#isAsking = false
    this.#listen()
  }

  #listen(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      if (this.#isAsking || this.#socket?.readyState !== OPEN) this.#later({ reason: 'silence' })
      else this.#ask()
    }, this.#options.silenceMsMax ?? 15_000)
  }

  #ask(): void {
    this.#isAsking = true
    this.#send({ op: 'ping' })
    this.#listen()
  }

  #send(message: object): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message))
  }

  #become(state: LiveState): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onState?.(state)
  }
}

const WORDS: Readonly<Record<LiveFailure['reason'], string>> = {
  ticket: 'No ticket came',
  connect: 'No connection could be opened',
  close: 'The connection ended',
  silence: 'The server said nothing in time',
  frame: 'What the server sent does not follow what it sent before',
  refused: 'The hub refuses what was subscribed',
}

/** What an error, or the event of one, says; nothing for whatever else was thrown. */
function wordsOf(cause: unknown): string {
  try {
    const message: unknown =
      typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'message') : undefined
    return typeof message === 'string' && message !== '' ? `: ${message}` : ''
  } catch {
    return ''
  }
}

/**
 * The ticket as a sub-protocol. Only one that cannot stand there is encoded, percent signs included, and under a name of
 * its own: so a ticket that looks encoded stays what it is, for hubs that know this name and for those that do not.
 */
function ticketItem(ticket: string): string {
  if (TOKEN.test(ticket)) return `ticket.${ticket}`
  // Not encodeURIComponent alone: it leaves parentheses as they are.
  const encoded = ticket.replace(NOT_TOKEN_OR_PERCENT, (character) =>
    /[()]/.test(character) ? `%${character.charCodeAt(0).toString(16)}` : encodeURIComponent(character),
  )
  return `ticket-encoded.${encoded}`
}

function boundedMs(after: unknown): number {
  return typeof after === 'number' && after >= 0 ? Math.min(after, MS_MAX) : 0
}

function browserSocket(url: string, protocols: readonly string[]): LiveSocket {
  const constructor = Reflect.get(globalThis, 'WebSocket') as
    | (new (
        url: string,
        protocols: readonly string[],
      ) => LiveSocket)
    | undefined
  if (constructor === undefined) throw new ReferenceError('WebSocket')
  return new constructor(url, protocols)
}

function frameIn(text: string): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(text)
    return typeof frame === 'object' && frame !== null ? frame : undefined
  } catch {
    return undefined
  }
}
