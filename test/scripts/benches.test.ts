import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Checkout, pretendCheckout } from './checkout.js'

/** A checkout with one bench, `figures`, that prints what it is given. */
function checkoutWithBench(printed: string): Checkout {
  const checkout = pretendCheckout()
  for (const folder of ['packages', 'bench']) mkdirSync(join(checkout.folder, folder))
  writeFileSync(join(checkout.folder, 'bench', 'figures.bench.ts'), '')
  const dependencies = { '@kerp/core': 'workspace:*', 'lru-cache': '11.5.3' }
  writeFileSync(join(checkout.folder, 'bench', 'package.json'), JSON.stringify({ dependencies }))
  // Whatever runs TypeScript, it speaks in the place of the bench.
  const tsx = join(checkout.folder, 'tools', 'tsx')
  mkdirSync(tsx, { recursive: true })
  const speaks = `process.stdout.write(${JSON.stringify(printed)}, () => process.exit(0))`
  writeFileSync(join(tsx, 'index.js'), speaks)
  return checkout
}

const resultOf = ({ folder }: Checkout): string => join(folder, 'bench', 'results', 'figures.json')

describe('a bench', () => {
  test('is kept with its figures, the machine, and the version of every contestant', async () => {
    using checkout = checkoutWithBench('a table\n{"bench":"figures","ns":7}\n{"bench":"more","ns":8}\n')
    const { code, stdout } = await checkout.run(['bench', 'figures'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('a table\n')])
    const text = readFileSync(resultOf(checkout), 'utf8')
    expect(text).not.toContain(hostname())
    expect(JSON.parse(text)).toMatchObject({
      versions: { node: process.versions.node, 'lru-cache': '11.5.3' },
      results: [
        { bench: 'figures', ns: 7 },
        { bench: 'more', ns: 8 },
      ],
    })
    expect(text).toMatch(/"measuredAt": "\d{4}-\d\d-\d\dT[\s\S]*"cpu": ".+",\s+"cores": [1-9]/)
    expect(text).not.toContain('@kerp/core')
  })

  test('that prints no result has failed, and replaces nothing', async () => {
    using checkout = checkoutWithBench('a table\n')
    const { code, stderr } = await checkout.run(['bench'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('The bench figures printed no result')])
    expect(existsSync(resultOf(checkout))).toBe(false)
  })
})
