import { LogFeed, type LogEvent } from '@kerp/live'
import { EventLog } from '@kerp/postgres'
import { erpEvents, EventRelay, Subscriber } from '@kerp/pubsub'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'
import { keys } from '../pubsub/event-world.js'
import { freshCompany } from '../support/fresh-company.js'
import { eventually } from './live-world.js'

let database: OwnDatabase
let server: PrivateRedis
let redis: RedisClient
let log: EventLog
let relay: EventRelay
let subscriber: Subscriber<typeof erpEvents.schemas>
let companyId: string

beforeEach(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  server = await openPrivateRedis()
  redis = await connectRedis({ path: server.socketPath }, 10_000, {})
  log = new EventLog({ pool: database.pool })
  relay = new EventRelay({ redis, keys, source: log, backoffMsMax: 200 })
  subscriber = new Subscriber({ redis, keys, events: erpEvents, tailMs: 100 })
  companyId = freshCompany()
  relay.start()
})
afterEach(async () => {
  await subscriber.close()
  await relay.close()
  await closeRedis(redis)
  await server.close()
  await database.close()
})

interface Heard {
  readonly events: LogEvent[]
  readonly starts: number[]
  close(): Promise<void>
}

function hear(lookMs = 100): Heard {
  const events: LogEvent[] = []
  const starts: number[] = []
  const feed = new LogFeed({ source: log, subscriber, lookMs })
  const handle = feed.open(companyId, {
    onStart: ({ position }) => void starts.push(position),
    onEvents: (block) => {
      // Whatever the channel did, blocks follow each other.
      expect(block.from).toBe(Number(events.at(-1)?.id ?? starts[0]))
      events.push(...block.events)
    },
  })
  return { events, starts, close: () => handle.close() }
}

const notify = (message: string): Promise<void> =>
  log.append({ companyId, type: 'events:notification', payload: { level: 'info', message } })

const messagesOf = ({ events }: Heard): readonly string[] =>
  events.map(({ payload }) => (payload as { message: string }).message)

describe('The feed of the log', () => {
  it('every event is heard once and in order, whatever the channel carries', async () => {
    await notify('before')
    const heard = hear()
    await eventually(() => expect(heard.starts).toHaveLength(1))
    const forged = {
      id: '2',
      type: 'events:notification',
      timestamp: new Date(0).toISOString(),
      companyId,
      payload: { level: 'info', message: 'forged' },
    }
    const poison = [
      '',
      'garbage',
      '-1',
      '9'.repeat(100),
      '{"__proto__":{}}',
      '\u0000',
      'x'.repeat(1_000_000),
      JSON.stringify(forged),
    ]
    const wanted: string[] = []
    for (let round = 0; round < 20; round += 1) {
      await redis.publish(keys.eventsChannel(companyId), poison[round % poison.length] ?? '')
      if (round % 5 === 4) await redis.del(keys.eventsStream(companyId))
      await notify(`m${round}`)
      wanted.push(`m${round}`)
    }
    await eventually(() => expect(messagesOf(heard)).toEqual(wanted))
    await heard.close()
  })

  it('while Redis is gone the log alone brings events', async () => {
    const heard = hear()
    await eventually(() => expect(heard.starts).toHaveLength(1))
    await notify('a')
    await eventually(() => expect(messagesOf(heard)).toEqual(['a']))
    await server.kill()
    await notify('b')
    await notify('c')
    await eventually(() => expect(messagesOf(heard)).toEqual(['a', 'b', 'c']))
    await server.restart()
    await notify('d')
    await eventually(() => expect(messagesOf(heard)).toEqual(['a', 'b', 'c', 'd']))
    expect(heard.starts).toHaveLength(1)
    await heard.close()
  })
})
