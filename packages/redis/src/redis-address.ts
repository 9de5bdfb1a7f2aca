/** Texts that say where Redis is: URLs, lists of nodes, numbers and switches of the environment. */

import { InvalidOptionError } from '@kerp/core'

/** A server's address, complete. */
export interface NodeAddress {
  readonly host: string
  readonly port: number
}

/** What a URL says. */
export interface UrlParts {
  readonly path?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly db?: number | undefined
  readonly tls?: boolean | undefined
}

/** The port of Redis and of a cluster's nodes. */
export const REDIS_PORT = 6_379

/** The port of a Sentinel. */
export const SENTINEL_PORT = 26_379

const OWNER = 'createRedis'
const NODES_MAX = 100

/**
 * Reads `redis://user:password@host:port/db`, `rediss://…` or the path of a unix socket.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`, without the text, which may hold a password.
 */
export function readUrl(text: string): UrlParts {
  if (text.startsWith('/')) return { path: text }
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isRedis = url?.protocol === 'redis:' || url?.protocol === 'rediss:'
  const db = url?.pathname.slice(1) ?? ''
  const username = decoded(url?.username)
  const password = decoded(url?.password)
  const isReadable = username !== undefined && password !== undefined
  if (url === undefined || !isRedis || url.hostname === '' || !isReadable || !/^\d{0,7}$/.test(db)) {
    const expected =
      'redis://[user:password@]host[:port][/db] with a `%` as `%25`, the same with rediss://, or the path of a socket'
    throw new InvalidOptionError(OWNER, 'url', expected, '(not shown)')
  }
  return {
    // An IPv6 address stands in brackets in a URL and without them everywhere else.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? REDIS_PORT : Number(url.port),
    username: username === '' ? undefined : username,
    password: password === '' ? undefined : password,
    db: db === '' ? undefined : Number(db),
    tls: url.protocol === 'rediss:',
  }
}

/** A part of a URL as it was before its percent-encoding; undefined for a `%` that begins none. */
function decoded(text = ''): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Reads `host:port,host:port`; a port that is left out is `defaultPort`. */
export function readNodes(option: string, text: string, defaultPort: number): readonly NodeAddress[] {
  return checkNodes(
    option,
    text.split(',').map((part) => {
      const [, host = '', port] = /^\s*(\[[^\]]*\]|[^:\s]+)(?::(\d{1,5}))?\s*$/.exec(part) ?? []
      return { host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? undefined : Number(port) }
    }),
    defaultPort,
  )
}

/** Completes a list of nodes. */
export function checkNodes(
  option: string,
  nodes: readonly { readonly host: string; readonly port?: number | undefined }[],
  defaultPort: number,
): readonly NodeAddress[] {
  const complete = nodes.map(({ host, port = defaultPort }) => ({ host, port }))
  const valid = complete.every(({ host, port }) => host !== '' && isPort(port))
  if (valid && complete.length > 0 && complete.length <= NODES_MAX) return complete
  throw new InvalidOptionError(OWNER, option, `1 to ${NODES_MAX} nodes \`host:port\``, nodes)
}

/** Whether a number can be a port. */
function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536
}

/** Reads a whole number of the environment. */
export function readNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidOptionError(OWNER, name, 'a whole number', text)
}

/**
 * Reads what Kubernetes, and a Docker link, put into REDIS_PORT for a Service named `redis`: `tcp://10.0.0.7:6379`.
 * That is the address where no host is named, and the port of the host that is this Service; it says nothing of others.
 *
 * @returns undefined for a text that is none.
 */
export function readServiceLink(
  host: string | undefined,
  text: string | undefined,
): { readonly host: string | undefined; readonly port: number | undefined } | undefined {
  const [, bracketed, port] = /^tcp:\/\/(\[[^\]]+\]|[^:/\s]+):(\d{1,5})$/.exec(text ?? '') ?? []
  if (bracketed === undefined) return undefined
  const address = bracketed.replace(/^\[(.*)\]$/, '$1')
  const isService = host === undefined || host === address || /^redis(?:\.|$)/i.test(host)
  return { host: host ?? address, port: isService ? Number(port) : undefined }
}

/** Reads a switch of the environment. */
export function readSwitch(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined || text === '') return undefined
  const word = text.toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  throw new InvalidOptionError(OWNER, name, '`true` or `false`', text)
}

/** Whether what is sent to this host stays inside this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}
