/** TLS with certificates that are made here: what connects, and what is said when something does not. */

import {
  connectRedis,
  type CreateRedisOptions,
  closeRedis,
  RedisNotDoneError,
  redisCommand,
} from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Authority, newAuthority } from '../support/certificates.js'

const DEADLINE_MS = 1_500

let [ours, theirs]: Authority[] = []
let servers: Record<'usual' | 'named' | 'mutual' | 'plain', PrivateRedis>

beforeAll(async () => {
  ours = await newAuthority()
  theirs = await newAuthority()
  const { ca } = ours
  const local = { ...(await ours.certify('localhost')), ca }
  servers = {
    usual: await openPrivateRedis({ tls: local }),
    named: await openPrivateRedis({ tls: { ...(await ours.certify('redis.example')), ca } }),
    mutual: await openPrivateRedis({ tls: { ...local, clientsShowOne: true } }),
    plain: await openPrivateRedis({ tcp: true }),
  }
})
afterAll(() => Promise.all(Object.values(servers).map((server) => server.close())))

const made = <V>(value: V | undefined): V => {
  if (value === undefined) throw new RangeError('it is made before the tests')
  return value
}

async function answer(options: CreateRedisOptions): Promise<unknown> {
  const redis = await connectRedis(options, 10_000, {})
  try {
    return await redisCommand(redis, 'ping', [])
  } finally {
    await closeRedis(redis)
  }
}

async function failure(options: CreateRedisOptions): Promise<string> {
  const error: unknown = await connectRedis(options, DEADLINE_MS, {}).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(RedisNotDoneError)
  return error instanceof Error ? error.message : ''
}

describe('A client that speaks TLS', () => {
  it('connects by a URL with rediss, when it knows the authority', async () => {
    const { ca } = made(ours)
    expect(await answer({ url: servers.usual.url, tls: { ca } })).toBe('PONG')
    expect(await answer({ host: '127.0.0.1', port: servers.usual.port, tls: { ca } })).toBe('PONG')
  })

  it('connects to a server that has another name when it says which', async () => {
    const { ca } = made(ours)
    expect(await answer({ url: servers.named.url, tls: { ca, servername: 'redis.example' } })).toBe('PONG')
  })

  it('shows its certificate to a server that wants one', async () => {
    const mine = await made(ours).certify('client')
    expect(await answer({ url: servers.mutual.url, tls: { ca: made(ours).ca, ...mine } })).toBe('PONG')
  })
})

describe.concurrent('By its deadline a client is told what is expected of it', () => {
  it('when it knows another authority, or none', async () => {
    const { url } = servers.usual
    for (const options of [{ url }, { url, tls: { ca: made(theirs).ca } }]) {
      expect(await failure(options)).toContain(
        'an authority that this client does not know: name it in `tls.ca`',
      )
    }
  })

  it('when the certificate is for another host', async () => {
    const { ca } = made(ours)
    expect(await failure({ url: servers.named.url, tls: { ca } })).toContain('a certificate for another host')
  })

  it('when it speaks no TLS to a port that does', async () => {
    const url = servers.usual.url.replace('rediss:', 'redis:')
    expect(await failure({ url })).toContain('as a TLS port does: connect by `rediss:` or `tls`')
  })

  it('when it speaks TLS to a port that does not', async () => {
    const url = servers.plain.url.replace('redis:', 'rediss:')
    expect(await failure({ url })).toContain('what listens on this port may not speak TLS')
  })

  it('when it shows no certificate, or one of another authority, to a server that wants one', async () => {
    const { url } = servers.mutual
    const { ca } = made(ours)
    for (const shown of [{}, await made(theirs).certify('client')]) {
      expect(await failure({ url, tls: { ca, ...shown } })).toContain(
        'wants a certificate of the client: give `tls.cert` and `tls.key`',
      )
    }
  })
})
