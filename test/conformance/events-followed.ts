/** Conformance: the companies of a durable group, which come and go while it runs. */

import { recordingObserver } from '@kerp/core/testing'
import { describe, expect, it } from 'vitest'
import { openConsumer } from '../pubsub/consumer-world.js'
import { eventWorld, until } from '../pubsub/event-world.js'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

/** The companies of a group. */
export function followedCompaniesConform(backend: Backend): void {
  /** A consumer whose handler is held back at the first of two events of a company that can be taken from it. */
  async function holding() {
    const { companyId, publishMany } = eventWorld(backend.client())
    const begun: string[] = []
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    let companies: readonly string[] = [companyId]
    let asked = 0
    const ask = (): Promise<readonly string[]> => {
      asked += 1
      return Promise.resolve(companies)
    }
    const handler = ({ id }: { readonly id: string }): Promise<void> => {
      begun.push(id)
      return held
    }
    const { consumer } = openConsumer(backend.client(), ask, { pollMs: 10, companiesMs: 10, handler })
    await publishMany(2)
    await until('a handler that runs', () => begun.length === 1)
    const give = async (to: readonly string[]): Promise<void> => {
      companies = to
      const before = asked
      await until('two further looks', () => asked > before + 2)
    }
    return { companyId, consumer, begun, release, give }
  }

  describe('the companies of a durable group', () => {
    it('are each handled in one place and in order, also when one is given back at once', async () => {
      const { companyId, consumer, begun, release, give } = await holding()
      await give([])
      await give([companyId])
      expect(begun).toEqual(['n-1'])
      release()
      await until('both', () => begun.length === 2)
      await consumer.close()
      expect(begun).toEqual(['n-1', 'n-2'])
    })

    it('are left with the event that is handled, for which a close waits', async () => {
      const { consumer, begun, release, give } = await holding()
      await give([])
      let isClosed = false
      const closing = consumer.close().then(() => (isClosed = true))
      await new Promise((resolve) => setImmediate(resolve))
      expect(isClosed).toBe(false)
      release()
      await closing
      expect(begun).toEqual(['n-1'])
    })

    it('have one backlog, however many they are', async () => {
      const observer = recordingObserver()
      const { companyId, publishMany } = eventWorld(backend.client())
      const silent = Array.from({ length: 250 }, () => freshCompany())
      await publishMany(5)
      const never = new Promise<void>(() => undefined)
      const handler = (): Promise<void> => never
      openConsumer(backend.client(), [companyId, ...silent], { observer, closeMs: 0, handler })
      await until('a look', () => observer.of('eventBacklog').length >= 2)
      expect(observer.of('eventBacklog').at(-1)).toEqual({ group: 'g', waiting: 5 })
    })
  })
}
