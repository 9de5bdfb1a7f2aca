import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { manualClock } from '@kerp/core/testing'
import { describe, expect, it, vi } from 'vitest'
import { readChart } from '../../examples/erp/src/chart.js'
import { readConfig } from '../../examples/erp/src/config.js'
import { failPointObserver } from '../../examples/erp/src/fail-points.js'
import { LatencyHistogram } from '../../examples/erp/src/demo/latency.js'
import { createServer } from '../../examples/erp/src/http/server.js'
import { Sessions } from '../../examples/erp/src/session.js'

describe('The settings', () => {
  it('need nothing: loopback, port 3000, private servers', () => {
    expect(readConfig({})).toMatchObject({ host: '127.0.0.1', port: 3000, redisUrl: undefined })
    expect(readConfig({ PORT: '', REDIS_URL: '', DATABASE_URL: '' })).toMatchObject({ port: 3000 })
    expect(readConfig({ PORT: '0' }).port).toBe(0)
  })

  it.each(['0.0.0.0', '::', '192.168.1.5', 'erp.example.com', '127.0.0.1.example.com'])(
    'refuse the public address %s without a secret, and take it with one',
    (host) => {
      expect(() => readConfig({ HOST: host })).toThrow(/HOST.*AUTH_SECRET/)
      expect(readConfig({ HOST: host, AUTH_SECRET: 'a secret that is long' }).host).toBe(host)
    },
  )

  it.each(['-1', '65536', 'abc', '3e3', ' 80'])('refuse %j as a port', (port) => {
    expect(() => readConfig({ PORT: port })).toThrow(/PORT/)
  })

  it('name further hosts, and refuse what is none', () => {
    expect(readConfig({}).allowedHosts).toEqual([])
    const { allowedHosts } = readConfig({ ALLOWED_HOSTS: ' erp.example,SHOP.example:8443 ,[2001:DB8::1]' })
    expect(allowedHosts).toEqual(['erp.example', 'shop.example:8443', '2001:db8::1'])
    for (const wrong of ['http://erp.example', 'erp.example/', '*.example', 'a b', 'erp.example:port']) {
      expect(() => readConfig({ ALLOWED_HOSTS: wrong })).toThrow(/ALLOWED_HOSTS/)
    }
  })

  it('limit calls beyond what a process can answer, or as told', () => {
    expect(readConfig({})).toMatchObject({ rateLimitPerMinute: 600_000, sessionLimitPerMinute: 60_000 })
    const none = { RATE_LIMIT_PER_MINUTE: '0', SESSION_LIMIT_PER_MINUTE: '0' }
    expect(readConfig(none)).toMatchObject({ rateLimitPerMinute: 0, sessionLimitPerMinute: 0 })
    for (const name of ['RATE_LIMIT_PER_MINUTE', 'SESSION_LIMIT_PER_MINUTE']) {
      for (const limit of ['many', '-1', '1e3', '1000000000']) {
        expect(() => readConfig({ [name]: limit })).toThrow(name)
      }
    }
  })

  it('refuse a secret that is too short without printing it', () => {
    expect(() => readConfig({ AUTH_SECRET: 'hunter2' })).toThrow(/^(?!.*hunter2).*AUTH_SECRET/)
  })
})

describe('The HTTP server', () => {
  it.each([
    ['content-length: 99\r\n\r\n{"comp', 'resetAndDestroy'],
    ['content-length: 99\r\n\r\n{"comp', 'destroy'],
    ['transfer-encoding: chunked\r\n\r\n9\r\n{"comp', 'resetAndDestroy'],
  ] as const)('logs nothing of an upload that breaks off: %j, %s', async (begun, end) => {
    const logged: string[] = []
    const server = createServer({ log: (line) => logged.push(line), allowHost: () => true })
    let begins = (): void => undefined
    const reading = new Promise<void>((resolve) => (begins = resolve))
    server.addHook('preParsing', (_request, _reply, _payload, done) => {
      begins()
      done()
    })
    server.post('/session', () => 'never reached')
    await server.listen({ host: '127.0.0.1', port: 0 })
    const accepted = once(server.server, 'connection') as Promise<[Socket]>
    const client = connect((server.server.address() as AddressInfo).port, '127.0.0.1')
    client.write(`POST /session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${begun}`)
    const [socket] = await accepted
    await reading
    const closed = new Promise((resolve) => socket.once('close', resolve))
    client[end]()
    await closed
    // Answered behind it.
    expect((await server.inject('/none')).statusCode).toBe(404)
    await server.close()
    expect(logged).toEqual([])
  })
})

describe('A session', () => {
  const session = { companyId: 'c1', user: '김 회계' }
  const secret = 'a secret that is long'

  it('is known by its token in another process, and after a restart', () => {
    const { token } = new Sessions({ secret }).open(session)
    expect(new Sessions({ secret }).verify(token)).toEqual(session)
  })

  it('ends after its time', async () => {
    const clock = manualClock()
    const sessions = new Sessions({ secret, clock, tokenTtlMs: 1_000 })
    const { token } = sessions.open(session)
    await clock.advance(999)
    expect(sessions.verify(token)).toEqual(session)
    await clock.advance(1)
    expect(sessions.verify(token)).toBeUndefined()
  })

  it('is refused when a letter of its token was changed, by another secret, and for a ticket', () => {
    const sessions = new Sessions({ secret })
    const { token, ticket } = sessions.open(session)
    for (let at = 0; at < token.length; at += 1) {
      const letter = token[at] === 'A' ? 'B' : 'A'
      const changed = token.slice(0, at) + letter + token.slice(at + 1)
      expect(sessions.verify(changed)).toBeUndefined()
    }
    expect(new Sessions({ secret: 'another secret, long' }).verify(token)).toBeUndefined()
    expect(sessions.verify(ticket)).toBeUndefined()
    for (const text of ['', '.', 'a.b', 'a.b.c', token.repeat(20)])
      expect(sessions.verify(text)).toBeUndefined()
  })
})

describe('The chart of accounts', () => {
  it('has 136 accounts, and those that others name as their parent are groups', async () => {
    const chart = await readChart()
    expect(chart.accounts).toHaveLength(136)
    expect(chart.find('11000')).toMatchObject({ isGroup: true, nameKo: '유동자산', parent: '10000' })
    expect(chart.find('11010')).toMatchObject({ isGroup: false, nameEn: 'Cash on hand' })
    expect(chart.find('80010')?.isGroup).toBe(false)
    expect(chart.find('99999')).toBeUndefined()
    expect(chart.postableUnder('40000').map(({ code }) => code)).toEqual([
      '41010',
      '41020',
      '41030',
      '41040',
      '41090',
    ])
    expect(chart.postableUnder('10000').some(({ isGroup }) => isGroup)).toBe(false)
  })
})

describe('A fail point', () => {
  it('is not there unless it was asked for', () => {
    expect(failPointObserver(undefined)).toBeUndefined()
    expect(failPointObserver('')).toBeUndefined()
  })

  it.each(['posting', 'posting.committed:0', 'posting.committed:x', 'posting.committed:1:2', ':1'])(
    'is refused when it names no step or no count: %s',
    (failPoint) => {
      expect(() => failPointObserver(failPoint)).toThrow(/FAIL_POINT/)
    },
  )

  it('kills the process at the pass that it names, not before and at no other step', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const observer = failPointObserver('posting.committed:2')
    observer?.step?.({ name: 'posting.committed' })
    observer?.step?.({ name: 'posting.begun' })
    expect(kill).not.toHaveBeenCalled()
    observer?.step?.({ name: 'posting.committed' })
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGKILL']])
    kill.mockRestore()
  })
})

describe('A percentile', () => {
  it('is off by at most 5 %, from a microsecond to ten minutes', () => {
    for (const ms of [0.001, 0.02, 0.5, 3, 70, 900, 60_000, 500_000]) {
      const histogram = new LatencyHistogram()
      for (let at = 0; at < 99; at += 1) histogram.add(ms)
      histogram.add(ms * 100)
      const p99 = histogram.percentileMs(0.99) ?? 0
      expect(Math.abs(p99 / ms - 1)).toBeLessThan(0.05)
    }
    expect(new LatencyHistogram().percentileMs(0.5)).toBeUndefined()
  })
})
