import { afterEach, expect, it, vi } from 'vitest'
import { LockWatch } from '../../examples/erp/src/demo/lock-watch.js'
import type { Erp } from '../../examples/erp/src/main.js'

const everythingRan = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** It looks at nothing else of the app. */
const erp = { url: 'http://app.example' } as Erp

/** Opens sessions as the app does; what its dashboard answers is up to the test. */
function pretendApp(dashboard: () => Promise<Response>): void {
  vi.stubGlobal('fetch', (url: string) =>
    url.endsWith('/session') ? Promise.resolve(Response.json({ token: 't' })) : dashboard(),
  )
}

afterEach(() => void vi.unstubAllGlobals())

it('looking at an app that ends leaves no rejection to nobody: it is told to who closes the watch', async () => {
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  pretendApp(() => Promise.reject(new TypeError('fetch failed')))
  const watch = await LockWatch.open(erp)
  await everythingRan()
  await everythingRan()
  await expect(watch.close()).rejects.toThrow('fetch failed')
  process.off('unhandledRejection', hear)
  expect(unheard).toEqual([])
})

it('locks with a holder and a fence are counted until it is closed', async () => {
  const locks = [{ holder: 'a', fence: '7' }, { holder: 'a' }]
  pretendApp(() => Promise.resolve(Response.json({ locks })))
  const watch = await LockWatch.open(erp)
  // Once for each of the three companies.
  expect(await watch.close()).toBe(3)
})
