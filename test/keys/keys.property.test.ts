import { companyOfKey, createKeys, type Keys, parseKey, type ParsedKey } from '@kerp/keys'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeText, companyId, fiscalYear, partText } from './hostile-text.js'

/** A key together with the facts that it was built from, as `parseKey` should tell them. */
interface Built {
  readonly key: string
  readonly facts: ParsedKey
}

const nfc = (text: string): string => text.normalize('NFC')

const namespace = fc.constantFrom(undefined, 'n', 'balance', 'lock', '0.a_b-c', 'x'.repeat(32))
const spaces = namespace.map((name) => ({
  namespace: name,
  keys: createKeys(name === undefined ? {} : { namespace: name }),
}))

const makers = [
  (keys: Keys, companyId: string, a: string, _b: string, year: number) => ({
    key: () => keys.balance({ companyId, account: a, fiscalYear: year }),
    facts: { family: 'balance' as const, companyId, account: nfc(a), fiscalYear: year },
  }),
  (keys: Keys, companyId: string, a: string, b: string) => ({
    key: () => keys.inventory({ companyId, item: a, warehouse: b }),
    facts: { family: 'inventory' as const, companyId, item: nfc(a), warehouse: nfc(b) },
  }),
  (keys: Keys, companyId: string, a: string, b: string) => ({
    key: () => keys.lock({ companyId, type: a, id: b }),
    facts: { family: 'lock' as const, companyId, type: nfc(a), id: nfc(b) },
  }),
  (keys: Keys, companyId: string, a: string, b: string) => ({
    key: () => keys.rateLimit({ companyId, user: a, endpoint: b }),
    facts: { family: 'rate' as const, companyId, user: nfc(a), endpoint: nfc(b) },
  }),
  (keys: Keys, companyId: string, a: string) => ({
    key: () => keys.dashboard({ companyId, type: a }),
    facts: { family: 'dashboard' as const, companyId, type: nfc(a) },
  }),
  (keys: Keys, _companyId: string, a: string) => ({
    key: () => keys.session(a),
    facts: { family: 'session' as const, sessionId: nfc(a) },
  }),
  (keys: Keys, companyId: string, a: string, b: string) => ({
    key: () => keys.cached({ companyId, type: a, id: b }),
    facts: { family: 'cache' as const, companyId, type: nfc(a), id: nfc(b) },
  }),
  (keys: Keys, companyId: string) => ({
    key: () => keys.cacheGeneration(companyId),
    facts: { family: 'generation' as const, companyId },
  }),
  (keys: Keys, companyId: string, a: string) => ({
    key: () => keys.cacheTag({ companyId, tag: a }),
    facts: { family: 'tag' as const, companyId, tag: nfc(a) },
  }),
  (keys: Keys, companyId: string) => ({
    key: () => keys.watermark(companyId),
    facts: { family: 'watermark' as const, companyId },
  }),
  (keys: Keys, companyId: string) => ({
    key: () => keys.registersChannel(companyId),
    facts: { family: 'channel' as const, companyId, topic: 'registers' },
  }),
  (keys: Keys) => ({
    key: () => keys.trustProbes(),
    facts: { family: 'trust' as const, topic: 'probes' },
  }),
  (keys: Keys) => ({
    key: () => keys.trustChannel(),
    facts: { family: 'trust' as const, topic: 'heartbeats' },
  }),
  (keys: Keys) => ({
    key: () => keys.eventsCompanies(),
    facts: { family: 'companies' as const, topic: 'known' },
  }),
  (keys: Keys) => ({
    key: () => keys.eventsCompanyList(),
    facts: { family: 'companies' as const, topic: 'list' },
  }),
  (keys: Keys) => ({
    key: () => keys.eventsCompaniesChannel(),
    facts: { family: 'companies' as const, topic: 'found' },
  }),
  (keys: Keys, companyId: string) => ({
    key: () => keys.eventsStream(companyId),
    facts: { family: 'stream' as const, companyId, topic: 'events' },
  }),
]

/** Keys of any family; where the parts are too long together, none. */
function builtFrom(company: fc.Arbitrary<string>, part: fc.Arbitrary<string>): fc.Arbitrary<Built> {
  return fc
    .tuple(spaces, fc.constantFrom(...makers), company, part, part, fiscalYear)
    .map(([space, make, company, a, b, year]) => {
      const { key, facts } = make(space.keys, company, a, b, year)
      try {
        return { key: key(), facts: { ...facts, namespace: space.namespace } }
      } catch {
        return undefined
      }
    })
    .filter((value) => value !== undefined)
}

const built = builtFrom(companyId, partText)
const closeBuilt = builtFrom(fc.constantFrom('c1', 'c2'), closeText)

describe('every key', () => {
  it('is read back into exactly what it was built from', () => {
    fc.assert(
      fc.property(built, ({ key, facts }) => {
        expect(parseKey(key)).toStrictEqual(facts)
      }),
      { numRuns: 5_000 },
    )
  })

  it('differs from every key that was built from something else', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(closeBuilt, built), { minLength: 50, maxLength: 200 }), (all) => {
        const keys = new Set(all.map((one) => one.key))
        const meanings = new Set(all.map((one) => JSON.stringify(sorted(one.facts))))
        expect(keys.size).toBe(meanings.size)
        expect(new Set(all.map((one) => `${one.key} ${JSON.stringify(sorted(one.facts))}`)).size).toBe(
          keys.size,
        )
      }),
      { numRuns: 200 },
    )
  })

  it('of one company is never a key of another', () => {
    fc.assert(
      fc.property(companyId, companyId, closeText, closeText, (mine, theirs, first, second) => {
        fc.pre(mine !== theirs)
        const keys = createKeys()
        const keysOf = (company: string) => [
          keys.inventory({ companyId: company, item: first, warehouse: second }),
          keys.lock({ companyId: company, type: 'T', id: second }),
          keys.dashboard({ companyId: company, type: first }),
          keys.watermark(company),
          keys.eventsChannel(company),
        ]
        // A part that spells the other company's key changes nothing.
        const attack = `}:${theirs}:{${theirs.slice(0, 20)}`
        const ours = [...keysOf(mine), keys.lock({ companyId: mine, type: 'T', id: attack })]
        expect(new Set([...ours, ...keysOf(theirs)]).size).toBe(11)
      }),
    )
  })

  it('has a lease of its own, in its slot, that is read back as its lease', () => {
    fc.assert(
      fc.property(spaces, companyId, closeText, closeText, ({ keys }, company, a, b) => {
        const all = [
          keys.cached({ companyId: company, type: a, id: b }),
          keys.report({ companyId: company, type: a, parameters: [b] }),
          keys.dashboard({ companyId: company, type: a }),
          keys.session(a),
        ]
        const leases = all.map((key) => keys.lease(key))
        expect(leases.map((lease) => parseKey(lease))).toMatchObject(
          all.map((key) => ({ family: 'lease', of: parseKey(key) })),
        )
        expect(leases.map(slotOf)).toStrictEqual(all.map(slotOf))
        for (const names of [all, leases]) {
          expect(names.map(companyOfKey)).toStrictEqual([company, company, company, undefined])
        }
        expect([keys.trustProbes(), keys.eventsCompanies()].map(companyOfKey)).toStrictEqual([
          undefined,
          undefined,
        ])
      }),
      { numRuns: 1_000 },
    )
  })

  it('has braces only around its hash tag, and no space, glob or control character at all', () => {
    fc.assert(
      fc.property(built, ({ key }) => {
        expect(key).toMatch(/^[\w.:-]+\{[\w.%-]+\}[\w.:%-]*$/)
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual(512)
      }),
      { numRuns: 5_000 },
    )
  })

  it('of a company lies in one Redis Cluster slot', () => {
    fc.assert(
      fc.property(built, ({ key, facts }) => {
        const tag = 'companyId' in facts ? facts.companyId : undefined
        if (tag !== undefined) expect(slotOf(key)).toBe(crc16(tag) % 16_384)
      }),
      { numRuns: 5_000 },
    )
    expect(crc16('123456789')).toBe(0x31c3)
  })
})

describe('registers', () => {
  it('have the same key through the fast path and through the builder', () => {
    fc.assert(
      fc.property(spaces, companyId, partText, partText, fiscalYear, ({ keys }, company, a, b, year) => {
        const parts = [a, String(year)] as const
        const balance = () => keys.balance({ companyId: company, account: a, fiscalYear: year })
        expect(keys.register({ companyId: company, family: 'balance', parts })).toBe(balance())
        fc.pre(encodeURIComponent(a).length + encodeURIComponent(b).length < 300)
        const stock = keys.inventory({ companyId: company, item: a, warehouse: b })
        expect(keys.register({ companyId: company, family: 'inventory', parts: [a, b] })).toBe(stock)
      }),
      { numRuns: 2_000 },
    )
  })

  it('have their own key whatever register was named before', () => {
    const ref = fc.record({
      companyId: fc.constantFrom('c1', 'c2', 'c 3'),
      family: fc.constantFrom('balance' as const, 'inventory' as const),
      parts: fc.tuple(closeText, fc.constantFrom('2026', '2027', 'W1', 'W 1', '')),
    })
    const text = (build: () => string): string => {
      try {
        return build()
      } catch (error) {
        return String(error)
      }
    }
    fc.assert(
      fc.property(fc.array(ref, { maxLength: 30 }), (refs) => {
        const keys = createKeys()
        const alone = refs.map((one) => text(() => createKeys().register(one)))
        expect(refs.map((one) => text(() => keys.register(one)))).toStrictEqual(alone)
      }),
      { numRuns: 500 },
    )
  })
})

function sorted(facts: ParsedKey): unknown {
  return Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The slot by the rule of the Redis Cluster specification: what lies in the first braces, if anything does. */
function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key
  return crc16(hashed) % 16_384
}

/** CRC-16/XMODEM, as Redis Cluster uses it. */
function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}
