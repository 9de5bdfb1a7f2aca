/** What `Batches` makes of a driver that hands it what it does not know, or does not close. */

import type { BatchChunk, BatchLedger, BatchRun } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { type BatchDriver, Batches, type BatchHost, defineBatch } from '@kerp/worker-pool'
import { describe, expect, it } from 'vitest'

const KNOWN = defineBatch<null, bigint, bigint, null>({
  name: 'known',
  companyId: () => 'c1',
  key: () => ['2026-06'],
  readParams: () => null,
  ids: () => Promise.resolve([]),
  load: (_params, ids) => Promise.resolve(ids.map(BigInt)),
  run: (amount) => amount,
  effects: () => Promise.resolve(),
})

const UNKNOWN_RUN: BatchRun = {
  ...KNOWN.opening(null),
  ...{ runId: 'unknown/c1/2026-06', batch: 'unknown' },
  ...{
    state: 'running',
    isPlanned: true,
    cursor: undefined,
    failureCode: undefined,
    totals: {},
    keysEscaped: true,
  },
  ...{ items: 1, itemsDone: 0, itemsFailed: 0, chunks: 1, chunksDone: 0 },
}

function open(ledger: Partial<BatchLedger<null>>, close = (): Promise<void> => Promise.resolve()) {
  let host: BatchHost | undefined
  const driver: BatchDriver = {
    drive(given) {
      host = given
      return { wake: () => undefined, close }
    },
  }
  const observer = recordingObserver()
  const batches = new Batches({ ledger: ledger as BatchLedger<null>, batches: [KNOWN], driver, observer })
  batches.work()
  return { batches, observer, work: (number: number) => host?.work(UNKNOWN_RUN, number) }
}

describe('Batches', () => {
  it('leave a chunk alone whose batch they do not know, so that it costs no attempt', async () => {
    let claims = 0
    const claim = (): Promise<BatchChunk> => {
      claims += 1
      return Promise.resolve({ ...UNKNOWN_RUN, number: 1, fence: '1', attempt: 1, itemIds: ['1'] })
    }
    const { work } = open({ claim, read: () => Promise.resolve(UNKNOWN_RUN) })
    expect(await work(1)).toBe(false)
    expect(claims).toBe(0)
  })

  it('are closed although their driver cannot be, and say so', async () => {
    const { batches, observer } = open({}, () => Promise.reject(new RangeError('the connection is closed')))
    await batches.close()
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'batches' }])
  })
})
