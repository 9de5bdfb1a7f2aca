import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fieldOf, startErp } from '../erp/erp-process.js'
import { saleOf } from '../erp/vouchers.js'

let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'kerp-erp-data-'))
})
afterAll(() => rm(dataDir, { recursive: true, force: true }))

describe('With its own servers in DATA_DIR', () => {
  it('the app killed by SIGKILL starts again with everything that it had acknowledged, and its servers end with it', async () => {
    const posted = new Map<string, string>()
    for (let round = 0; round < 3; round += 1) {
      const erp = await startErp({ DATA_DIR: dataDir })
      const client = await erp.as('c1')
      for (const [id, text] of posted) {
        const again = await client.post('/vouchers', saleOf(id, '10'))
        expect([again.status, again.text]).toEqual([200, text])
      }
      const id = `round-${round}`
      const answer = await client.post('/vouchers', saleOf(id, '10'))
      expect(answer.status).toBe(201)
      posted.set(id, answer.text)
      const read = await client.get('/balances?accounts=11210&fiscalYear=2026')
      expect(fieldOf(read.body, 'balances', 0)).toMatchObject({
        balance: String((round + 1) * 10),
        version: round + 1,
      })
      expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
      const servers = [...erp.output().matchAll(/\(pid (\d+)\)/g)].map(([, pid]) => Number(pid))
      expect(servers).toHaveLength(2)
      await (round === 1 ? erp.stop() : erp.kill())
      await expect.poll(() => servers.filter(isRunning), { timeout: 20_000 }).toEqual([])
    }
  })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
