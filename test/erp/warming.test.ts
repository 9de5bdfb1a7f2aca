import type { WarmCall, WarmReport } from '@kerp/cache'
import { manualClock } from '@kerp/core/testing'
import { describe, expect, it } from 'vitest'
import { COMPANIES } from '../../examples/erp/src/companies.js'
import { Warming } from '../../examples/erp/src/warming.js'

/** A report in which the sources of these companies came to their end. */
function reportOf(done: readonly string[]): WarmReport {
  const sources = COMPANIES.map(({ id }) => ({
    companyId: id,
    source: 'balances',
    rows: 3,
    loaded: 2,
    after: undefined,
    state: done.includes(id) ? ('done' as const) : ('failed' as const),
  }))
  return { sources, done: done.length === COMPANIES.length }
}

function open(warm: (companies: readonly string[], call: WarmCall) => Promise<WarmReport>) {
  const clock = manualClock()
  const said: string[] = []
  const warming = new Warming({ warmerOf: () => ({ warm }), say: (line) => said.push(line), clock })
  return { clock, said, warming }
}

describe('Warming', () => {
  it('goes on from its last report after a failure, and tells of each company once', async () => {
    const resumed: (WarmReport | undefined)[] = []
    const reports = [reportOf(['c1']), reportOf(['c1', 'c2', 'c3'])]
    const { clock, said, warming } = open((_companies, { resume }) => {
      resumed.push(resume)
      return Promise.resolve(reports[resumed.length - 1] ?? reportOf([]))
    })
    warming.start()
    await expect.poll(() => said).toEqual(['warming c1: 3 values, 2 of them loaded'])
    await clock.advance(1_000)
    await expect.poll(() => said.at(-1)).toBe('caches warm after 1000 ms')
    expect(said.slice(1, 3)).toEqual([
      'warming c2: 3 values, 2 of them loaded',
      'warming c3: 3 values, 2 of them loaded',
    ])
    expect(resumed[1]).toBe(reports[0])
    await warming.close()
  })

  it('ends at once when the service closes, and says nothing more', async () => {
    const { said, warming } = open(
      (_companies, { signal }) =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve(reportOf([])))),
    )
    warming.start()
    await warming.close()
    expect(said).toEqual([])
  })

  it('gives up on a Redis that is full, and says what stays cold', async () => {
    const { said, warming } = open(() => {
      const { sources } = reportOf([])
      return Promise.resolve({ sources: sources.map((one) => ({ ...one, state: 'memory' })), done: false })
    })
    warming.start()
    await expect.poll(() => said).toEqual(['3 caches stay cold: they fill as they are read'])
    await warming.close()
  })
})
