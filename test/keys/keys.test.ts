import { InvalidInputError, InvalidOptionError } from '@kerp/core'
import { createKeys, InvalidKeyError, KEY_BYTES_MAX, parseKey, validateCompanyId } from '@kerp/keys'
import { describe, expect, it } from 'vitest'

const keys = createKeys()

describe('key shapes', () => {
  it('are the documented ones, with the company as hash tag', () => {
    expect(keys.balance({ companyId: 'c1', account: '1101', fiscalYear: 2026 })).toBe(
      'balance:{c1}:1101:2026',
    )
    expect(keys.inventory({ companyId: 'c1', item: '85123A', warehouse: 'W1' })).toBe(
      'inventory:{c1}:85123A:W1',
    )
    expect(keys.lock({ companyId: 'c1', type: 'item', id: '85123A' })).toBe('lock:{c1}:item:85123A')
    expect(keys.rateLimit({ companyId: 'c1', user: 'kim', endpoint: 'vouchers' })).toBe(
      'rate:{c1}:kim:vouchers',
    )
    expect(keys.dashboard({ companyId: 'c1', type: 'sales' })).toBe('dashboard:{c1}:sales')
    expect(keys.report({ companyId: 'c1', type: 'financial', parameters: { year: 2026 } })).toMatch(
      /^report:\{c1\}:financial:[\w-]{43}$/,
    )
    expect(keys.session('s-1')).toBe('session:{s-1}')
    expect(keys.watermark('c1')).toBe('watermark:{c1}')
    expect(keys.registersChannel('c1')).toBe('channel:{c1}:registers')
    expect(keys.eventsChannel('c1')).toBe('channel:{c1}:events')
    expect(keys.eventsStream('c1')).toBe('stream:{c1}:events')
  })

  it('carry a namespace in front of every name', () => {
    const spaced = createKeys({ namespace: 'test.7' })
    expect(spaced.balance({ companyId: 'c1', account: '1101', fiscalYear: 2026 })).toBe(
      'test.7:balance:{c1}:1101:2026',
    )
    expect(spaced.session('s')).toBe('test.7:session:{s}')
    expect(spaced.eventsChannel('c1')).toBe('test.7:channel:{c1}:events')
    expect(spaced.register({ companyId: 'c1', family: 'balance', parts: ['1101', '2026'] })).toBe(
      'test.7:balance:{c1}:1101:2026',
    )
  })

  it.each(['', ':', 'a:b', 'a b', '{a}', '-a', 'x'.repeat(33), 7, null])(
    'refuse the namespace %j',
    (namespace) => {
      expect(() => createKeys({ namespace: namespace as never })).toThrow(InvalidOptionError)
    },
  )

  it('give a register the key of its balance or stock figure', () => {
    const balance = keys.balance({ companyId: 'c1', account: '현금 a:b', fiscalYear: 2026 })
    expect(keys.register({ companyId: 'c1', family: 'balance', parts: ['현금 a:b', '2026'] })).toBe(balance)
    const stock = keys.inventory({ companyId: 'c1', item: '물품', warehouse: '창고 1' })
    expect(keys.register({ companyId: 'c1', family: 'inventory', parts: ['물품', '창고 1'] })).toBe(stock)
  })
})

describe('parts', () => {
  it('keep letters, digits, dot, underscore and hyphen, and encode every other byte', () => {
    const account = "A-z_0.9:{}*?[]\\% \r\n\0!~'()한"
    expect(keys.balance({ companyId: 'c1', account, fiscalYear: 1 })).toBe(
      'balance:{c1}:A-z_0.9%3A%7B%7D%2A%3F%5B%5D%5C%25%20%0D%0A%00%21%7E%27%28%29%ED%95%9C:1',
    )
  })

  it('name the same thing whether Hangul came composed or decomposed', () => {
    const composed = keys.dashboard({ companyId: 'c1', type: '계정과목'.normalize('NFC') })
    expect(keys.dashboard({ companyId: 'c1', type: '계정과목'.normalize('NFD') })).toBe(composed)
  })

  it('may be 128 bytes long and not one more, counted after composition', () => {
    const dashboard = (type: string) => keys.dashboard({ companyId: 'c1', type })
    expect(dashboard('x'.repeat(128))).toBe(`dashboard:{c1}:${'x'.repeat(128)}`)
    expect(() => dashboard('x'.repeat(129))).toThrow(InvalidKeyError)
    expect(dashboard('한'.normalize('NFD').repeat(42))).toBe(dashboard('한'.repeat(42)))
    expect(() => dashboard('한'.repeat(43))).toThrow(InvalidKeyError)
    expect(dashboard('Ǖ'.normalize('NFD').repeat(64))).toBe(dashboard('Ǖ'.repeat(64)))
    expect(() => dashboard('x'.repeat(10_000))).toThrow(/at most 128 bytes/)
  })

  it('always fit into a key, however long they are when encoded', () => {
    const named = createKeys({ namespace: 'n'.repeat(32) })
    const companyId = 'c'.repeat(63)
    const [long, tag] = ['한'.repeat(42), '한'.repeat(53)]
    const all = [
      named.lock({ companyId, type: long, id: long }),
      named.register({ companyId, family: 'inventory', parts: [long, long] }),
      named.rateLimit({ companyId, user: long, endpoint: long }),
      named.lease(named.cached({ companyId, type: long, id: long })),
      named.cacheTag({ companyId, tag }),
    ]
    for (const key of all) {
      expect(key.length).toBeLessThanOrEqual(KEY_BYTES_MAX)
      expect(parseKey(key)).toMatchObject({ namespace: 'n'.repeat(32) })
    }
    expect(() => named.cacheTag({ companyId, tag: `${tag}한` })).toThrow(/at most 160 bytes/)
  })

  it.each([[''], ['\ud800'], ['a\udc00b'], [7], [7n], [null], [undefined], [['a']], [{}], [true]])(
    'are refused when they are %o',
    (account) => {
      const build = () => keys.balance({ companyId: 'c1', account: account as never, fiscalYear: 2026 })
      expect(build).toThrow(InvalidKeyError)
      expect(build).toThrow(
        expect.objectContaining({ code: 'INVALID_KEY', field: 'account', retryable: false }),
      )
      const ref = { companyId: 'c1', family: 'balance', parts: [account, '2026'] }
      expect(() => keys.register(ref as never)).toThrow(InvalidKeyError)
    },
  )

  it.each([0, -1, 10_000, 2026.5, Number.NaN, Number.POSITIVE_INFINITY, '2026', 2026n, null, undefined])(
    'refuse the fiscal year %o',
    (fiscalYear) => {
      const parts = { companyId: 'c1', account: '1101', fiscalYear }
      expect(() => keys.balance(parts as never)).toThrow(InvalidKeyError)
    },
  )

  it.each(['0', '02026', '20260', '2026 ', '', '２０２６', 'x', 2026])(
    'refuse the second part %j of a balance register',
    (year) => {
      const ref = { companyId: 'c1', family: 'balance', parts: ['1101', year] }
      expect(() => keys.register(ref as never)).toThrow(InvalidKeyError)
    },
  )

  it('refuse a register of an unknown family', () => {
    const ref = { companyId: 'c1', family: 'lock', parts: ['a', 'b'] }
    expect(() => keys.register(ref as never)).toThrow(/balance or inventory/)
  })
})

describe('tenant ids', () => {
  it.each(['c1', '0', 'A_b-c', 'x'.repeat(63), '6f1b0a52-3f0c-7c1e-9a55-0a1b2c3d4e5f'])(
    'accept %s',
    (companyId) => {
      expect(validateCompanyId(companyId)).toBe(companyId)
      expect(keys.watermark(companyId)).toBe(`watermark:{${companyId}}`)
    },
  )

  it.each([
    '',
    '-a',
    '_a',
    'a b',
    'a:b',
    'a}',
    '{a',
    'a*',
    'a.b',
    '회사',
    'a\n',
    'a\0',
    'x'.repeat(64),
    7,
    null,
    ['c1'],
  ])('refuse %j everywhere', (companyId) => {
    const ref = { companyId, family: 'inventory', parts: ['i', 'w'] }
    expect(() => validateCompanyId(companyId)).toThrow(InvalidKeyError)
    expect(() => keys.register(ref as never)).toThrow(InvalidKeyError)
    expect(() => keys.watermark(companyId as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_KEY', field: 'companyId' }),
    )
  })

  it('are refused with an error that every check for wrong input recognises', () => {
    expect(() => validateCompanyId('a b')).toThrow(InvalidInputError)
    expect(() => validateCompanyId('a b')).toThrow(
      '`companyId` must be up to 63 of A-Z a-z 0-9 _ - starting with a letter or digit, got "a b" (string).',
    )
  })
})
