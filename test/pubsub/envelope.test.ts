import { createKeys } from '@kerp/keys'
import {
  decodeEvent,
  defineEvents,
  encodeEvent,
  erpEvents,
  EventInvalidError,
  type EncodedEvent,
  type ErpEventSchemas,
  type EventPayload,
  type EventType,
  Publisher,
} from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, expectTypeOf, it } from 'vitest'

const approved = {
  id: '7',
  type: 'events:voucher:approved',
  timestamp: '2026-01-01T00:00:00.000Z',
  companyId: 'c1',
  payload: { id: 'V-1' },
} as const

describe('an event', () => {
  it('comes back as it was written', () => {
    const traced = { ...approved, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    for (const envelope of [approved, traced]) {
      expect(decodeEvent(erpEvents, 'c1', encodeEvent(erpEvents, envelope).outgoing.text)).toEqual(envelope)
    }
  })

  it.each([
    ['an unknown type', { type: 'events:unknown' }, 'type'],
    ['a payload of another shape', { payload: { id: 7 } }, 'payload'],
    ['a payload that was encoded before', { payload: JSON.stringify({ id: 'V-1' }) }, 'payload'],
    ['an id that could not stand in a stream', { id: 'a|b' }, 'id'],
    ['a timestamp that could not stand in a line', { timestamp: 'now|then' }, 'timestamp'],
    ['a traceparent that is none', { traceparent: 'x' }, 'traceparent'],
    ['a company id that is none', { companyId: 'a:b' }, 'companyId'],
    ['more than 64 KiB', { payload: { id: 'x'.repeat(70_000) } }, 'event'],
    ['more than 64 KiB in UTF-8 only', { payload: { id: '가'.repeat(22_000) } }, 'event'],
    ['a bigint', { payload: { id: 'V-1', more: 1n } }, 'payload'],
    ['keys that poison', { payload: JSON.parse('{"id":"V-1","__proto__":{}}') as object }, 'payload'],
  ])('with %s is refused, and the error names the field', (_, part, field) => {
    const envelope = { ...approved, ...part } as typeof approved
    expect(() => encodeEvent(erpEvents, envelope)).toThrow(expect.objectContaining({ field }))
  })

  it('cannot be encoded twice: nothing but what was encoded once can be sent, and that is no payload', async () => {
    const { outgoing } = encodeEvent(erpEvents, approved)
    // The compiler refuses what follows: a text that nobody encoded, and an encoded event as a payload.
    expectTypeOf<string>().not.toExtend<EncodedEvent>()
    expectTypeOf<EncodedEvent>().not.toExtend<EventPayload<ErpEventSchemas, EventType<ErpEventSchemas>>>()
    expectTypeOf(outgoing.text).toEqualTypeOf<EncodedEvent>()
    await using publisher = new Publisher({ redis: mockRedis(), keys: createKeys(), events: erpEvents })
    for (const type of erpEvents.types) {
      const event = { companyId: 'c1', type, payload: outgoing.text as never }
      await expect(publisher.publish(event)).rejects.toThrow(EventInvalidError)
    }
  })

  it('is checked again when it is received', () => {
    const { text } = encodeEvent(erpEvents, approved).outgoing
    const wrongs = ['', '{', '{"id":"7"}', '|||{}', text.slice(0, -1), text.slice(1), text.replace('|', ' ')]
    for (const wrong of [...wrongs, text.replace('"V-1"', '1'), text.replace('approved', 'x')]) {
      expect(() => decodeEvent(erpEvents, 'c1', wrong), wrong).toThrow(EventInvalidError)
    }
  })

  it('carries every built-in payload', () => {
    const decimal = '-12345678901234567890'
    const payloads = {
      'events:voucher:created': {
        id: 'V',
        date: '2026-01-01',
        fiscalYear: 2026,
        balances: [],
        readToken: 't',
      },
      'events:voucher:approved': { id: 'V' },
      'events:balance:updated': {
        account: '1101',
        fiscalYear: 2026,
        debit: decimal,
        credit: '0',
        balance: decimal,
        version: 3,
      },
      'events:inventory:changed': { item: 'A', warehouse: 'W1', quantity: '1', reserved: '0', version: 1 },
      'events:payroll:processed': { batchId: '2026-01', state: 'done', done: 1, total: 1 },
      'events:notification': { level: 'info', message: '안녕' },
    }
    expect(Object.keys(payloads).sort()).toEqual([...erpEvents.types].sort())
    for (const [type, payload] of Object.entries(payloads)) {
      expect(erpEvents.check(type as 'events:notification', payload)).toEqual(payload)
      expect(() => erpEvents.check(type as 'events:notification', {})).toThrow(EventInvalidError)
    }
  })
})

describe('an event map', () => {
  it('refuses types and schemas that are none', () => {
    expect(() => defineEvents({ 'Not A Type': erpEvents.schemas['events:notification'] })).toThrow('type')
    expect(() => defineEvents({ shop: {} as never })).toThrow('Standard Schema')
  })

  it('refuses a schema that answers later, and names the way of a complaint', () => {
    const validate = () => Promise.resolve({ value: 1 })
    const later = defineEvents({ later: { '~standard': { version: 1, vendor: 'x', validate } } })
    expect(() => later.check('later', 1)).toThrow('checked at once')
    const complain = () => ({ issues: [{ message: 'too low', path: ['lines', { key: 2 }] }] })
    const picky = defineEvents({ picky: { '~standard': { version: 1, vendor: 'x', validate: complain } } })
    expect(() => picky.check('picky', 1)).toThrow(expect.objectContaining({ field: 'payload.lines.2' }))
  })
})
