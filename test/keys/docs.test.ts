import { readFileSync } from 'node:fs'
import { createKeys, DEFAULT_TTL_MS, parseKey } from '@kerp/keys'
import { describe, expect, it } from 'vitest'

const text = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))

describe('docs/keys.md', () => {
  const names = rows.filter((row) => row.length === 6)

  it('shows for every name an example that reads back as that name', () => {
    expect(names).toHaveLength(24)
    for (const [, name = '', , example = ''] of names) {
      const { family } = parseKey(example)
      expect(name.startsWith(`${family}:{`)).toBe(true)
    }
  })

  it('lists every method of the builder, and no other', () => {
    const documented = new Set(names.flatMap(([, , methods = '']) => methods.split(', ')))
    expect([...documented].sort()).toStrictEqual(Object.keys(createKeys()).sort())
  })

  it('has the TTL table of the code', () => {
    const ttls = rows
      .filter((row) => row.length === 5)
      .map(([, family = '', , ms = '']) => [family, Number(ms)])
    expect(Object.fromEntries(ttls)).toStrictEqual({ ...DEFAULT_TTL_MS })
  })
})
