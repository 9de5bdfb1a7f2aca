import type { CommittedEvent } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { installWatermark, publishRelayed, readEventWatermark } from '@kerp/pubsub'
import { describe, expect, it } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

const keys = createKeys()

/** Events of the database's log as they come into Redis. */
export function relayedEventsConform(backend: Backend): void {
  function relay() {
    const parts = { redis: backend.client(), keys }
    const companyId = freshCompany()
    const event = (position: number): CommittedEvent => ({
      companyId,
      position: String(position),
      type: 'events:voucher:approved',
      timestamp: '2026-01-01T00:00:00.000Z',
      payload: { id: `V-${position}` },
    })
    return {
      companyId,
      install: (expected: string, position = '0', epoch = 'e1') =>
        installWatermark(parts, { companyId, expected, epoch, position, reason: 'absent' }),
      publish: (from: number, to: number, epoch = 'e1') => {
        const events = Array.from({ length: to - from }, (_, index) => event(from + 1 + index))
        return publishRelayed(parts, { companyId, epoch, from: String(from), to: String(to), events })
      },
      watermark: () => readEventWatermark(parts, companyId),
      eventIds: async () => {
        const entries = await parts.redis.xrange(keys.eventsStream(companyId), '-', '+')
        return entries.map(([, fields]) => fields[1]?.split('|')[0])
      },
    }
  }

  describe('events of the database’s log', () => {
    it('are published only from where the watermark stands, and move it', async () => {
      const { install, publish, watermark, eventIds } = relay()
      expect(await publish(0, 2)).toEqual({ status: 'moved', text: '', watermark: undefined })
      expect(await install('')).toEqual({ status: 'installed' })
      expect(await publish(0, 2)).toEqual({ status: 'published' })
      expect(await publish(0, 2)).toMatchObject({ status: 'moved', watermark: { position: '2' } })
      expect(await publish(2, 3)).toEqual({ status: 'published' })
      expect((await watermark()).watermark).toMatchObject({
        epoch: 'e1',
        position: '3',
        tail: { eventId: '3' },
      })
      expect(await eventIds()).toEqual(['@start', '1', '2', '3'])
    })

    it('are sent in several calls when they are many, each once and in order', async () => {
      const { install, publish, watermark, eventIds } = relay()
      await install('')
      expect(await publish(0, 200)).toEqual({ status: 'published' })
      const ids = Array.from({ length: 200 }, (_, index) => String(index + 1))
      expect(await eventIds()).toEqual(['@start', ...ids])
      expect((await watermark()).watermark?.position).toBe('200')
    })

    it('of another history are refused until the watermark is installed anew, which leaves a mark', async () => {
      const { install, publish, watermark, eventIds } = relay()
      await install('')
      await publish(0, 2)
      expect(await publish(2, 3, 'e2')).toMatchObject({ status: 'moved', watermark: { epoch: 'e1' } })
      expect(await install('another text', '1', 'e2')).toMatchObject({ status: 'moved' })
      expect(await install((await watermark()).text, '1', 'e2')).toEqual({ status: 'installed' })
      expect(await publish(1, 2, 'e2')).toEqual({ status: 'published' })
      expect(await eventIds()).toEqual(['@start', '1', '2', '@reset', '2'])
    })

    it('get ids above all before them, also when the stream was lost or written by another hand', async () => {
      const { companyId, install, publish, watermark } = relay()
      const redis = backend.client()
      await install('')
      await publish(0, 1)
      await redis.del(keys.eventsStream(companyId))
      await publish(1, 2)
      const [farMs] = [Date.parse('2100-01-01T00:00:00Z')]
      await redis.xadd(keys.eventsStream(companyId), `${farMs}-7`, 'x', 'y')
      await publish(2, 4)
      expect((await watermark()).watermark?.tail).toEqual({ streamId: `${farMs}-9`, eventId: '4' })
    })
  })
}
