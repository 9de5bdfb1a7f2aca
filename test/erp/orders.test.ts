import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateMonth } from '../../examples/erp/src/demo/generator.js'
import { invoiceVoucher } from '../../examples/erp/src/demo/invoice-voucher.js'
import { type Invoice, readOrders } from '../../examples/erp/src/demo/orders.js'

const HEADER = 'invoice,item,qty,ts,unit_price_pence,customer,country'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kerp-orders-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function fileOf(content: string | Buffer): Promise<string> {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.csv`)
  await writeFile(file, content)
  return file
}

describe('An order file', () => {
  const text = [
    HEADER,
    '536365,85123A,6,2010-12-01T08:26,255,17850,United Kingdom',
    '536366,"a ""big"", red box",1,2010-12-02T09:00,100,,"France, south"',
    'C536379,D,-1,2010-12-01T09:41,2750,14527,United Kingdom',
    '536365,71053,6,2010-12-01T08:26,339,17850,United Kingdom',
    '',
  ]

  it('becomes invoices in the order of their first lines, with quotes and commas understood', async () => {
    const invoices = await readOrders(await fileOf(text.join('\r\n')))
    expect(invoices.map(({ id, date, customer, lines }) => [id, date, customer, lines.length])).toEqual([
      ['536365', '2010-12-01', '17850', 2],
      ['536366', '2010-12-02', '', 1],
      ['C536379', '2010-12-01', '14527', 1],
    ])
    expect(invoices[1]?.lines[0]).toEqual({ item: 'a "big", red box', quantity: 1n, unitPricePence: 100n })
  })

  it('may be packed by gzip, whatever its name, and may have its columns in another order', async () => {
    const plain = await readOrders(await fileOf(text.join('\n')))
    expect(await readOrders(await fileOf(gzipSync(text.join('\n'))))).toEqual(plain)
    const turned = [
      '"unit_price_pence","ts","item","country","customer","qty","invoice"',
      '"255","2010-12-01T08:26","85123A","United Kingdom","17850","6","536365"',
      '"100","2010-12-02T09:00","a ""big"", red box","France, south","","1","536366"',
      '"2750","2010-12-01T09:41","D","United Kingdom","14527","-1","C536379"',
      '"339","2010-12-01T08:26","71053","United Kingdom","17850","6","536365"',
    ]
    expect(await readOrders(await fileOf(turned.join('\n')))).toEqual(plain)
  })

  it('may begin with a byte order mark, have blank lines, mixed line ends, and semicolons as its header has', async () => {
    const plain = await readOrders(await fileOf(text.join('\n')))
    expect(await readOrders(await fileOf(`\uFEFF${text.join('\r\n')}`))).toEqual(plain)
    expect(await readOrders(await fileOf(`\n${text.join('\n\r\n')}`))).toEqual(plain)
    const semicolons = text.map((line) => line.replace(/,(?! )/g, ';'))
    expect(await readOrders(await fileOf(semicolons.join('\r\n')))).toEqual(plain)
  })

  it('keeps any text that was written with quotes, line breaks included', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc
            .string({ unit: 'grapheme', maxLength: 20 })
            .map((item) => item.normalize('NFC'))
            .filter((item) => !/[\u0000-\u0009\u000b-\u001f\u007f]/.test(item)),
          { minLength: 1 },
        ),
        async (items) => {
          const lines = items.map((item) => `1,"${item.replaceAll('"', '""')}",1,2010-12-01,1,,"a\r\n""b"""`)
          const [invoice] = await readOrders(await fileOf([HEADER, ...lines].join('\n')))
          expect(invoice?.lines.map(({ item }) => item)).toEqual(items)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('has one item for the composed and the decomposed spelling of a name', async () => {
    const lines = ['커피', '커피'.normalize('NFD')].map((item) => `1,${item},1,2010-12-01,1,,KR`)
    const [invoice] = await readOrders(await fileOf([HEADER, ...lines].join('\n')))
    expect(new Set(invoice?.lines.map(({ item }) => item))).toEqual(new Set(['커피']))
  })

  const GOOD = '1,"a\r\nb",1,2010-12-01T08:26,255,1,UK'
  // "가방" in CP949, which is no UTF-8.
  const CP949 = Buffer.concat([
    Buffer.from(`${HEADER}\n${GOOD}\n1,`),
    Buffer.from([0xb0, 0xa1, 0xb9, 0xe6]),
    Buffer.from(',1,2010-12-01T08:26,255,1,KR\n'),
  ])
  const packed = gzipSync(
    [HEADER, ...Array.from({ length: 5_000 }, (_, line) => `${line},A,1,2010-12-01,${line * 7919},,UK`)].join(
      '\n',
    ),
  )

  it.each<readonly [string, string | Buffer, RegExp]>([
    ['it is empty', '', /line 1, column 1/],
    ['it is packed and empty', gzipSync(''), /line 1, column 1/],
    ['it has nothing but a header', `${HEADER}\n`, /line 2, column 1/],
    ['a column is missing', 'invoice,item,qty', /line 1, column ts/],
    ['a quantity is no whole number', `${HEADER}\n1,A,1.5,2010-12-01T08:26,255,1,UK`, /line 2, column qty/],
    ['a price is empty', `${HEADER}\n${GOOD}\n1,A,1,2010-12-01,,1,UK`, /line 4, column unit_price_pence/],
    ['a moment has no date', `${HEADER}\n1,A,1,08:26,255,1,UK`, /line 2, column ts/],
    ['a day is none of the calendar', `${HEADER}\n\n1,A,1,2011-02-29,255,1,UK`, /line 3, column ts/],
    [
      'a field stands behind a quoted line break',
      `${HEADER}\n1,"a\nb",x,2010-12-01,255,1,UK`,
      /line 3, column qty/,
    ],
    ['an invoice has no number', `${HEADER}\n,A,1,2010-12-01,255,1,UK`, /line 2, column invoice/],
    [
      'a quote is not closed',
      `${HEADER}\n${GOOD}\n\n1,"A,1,2010-12-01,255,1,UK\n1,B,2\n`,
      /line 5, column item/,
    ],
    ['a quote stands within a field', `${HEADER}\n1,3" nail,1,2010-12-01,255,1,UK`, /line 2, column item/],
    ['text follows a closed quote', `${HEADER}\n1,"A"x,1,2010-12-01,255,1,UK`, /line 2, column item/],
    ['a field is missing', `${HEADER}\n${GOOD}\n1,A,1\n`, /line 4, column \w+/],
    ['a record never ends', `${HEADER}\n1,"${'A\n'.repeat(99_999)}`, /line 2, column item/],
    ['a line never ends', `${HEADER}\n1,${'A'.repeat(99_999)}`, /line 2, column \w+/],
    ['it is written in CP949', CP949, /line 4, column 3.*0xb0a1/],
    ['it is written in UTF-16', Buffer.from(`\uFEFF${HEADER}`, 'utf16le'), /line 1, column 1.*UTF-8/],
    ['it ends within a character', Buffer.from(`${HEADER}\n1,커`).subarray(0, -1), /line 2, column 3.*UTF-8/],
    ['its packing is cut', packed.subarray(0, -9), /line \d+, column \d+.*gzip/],
    [
      'its packing is damaged',
      Buffer.concat([packed.subarray(0, -8), Buffer.alloc(8)]),
      /line \d+, column \d+.*gzip/,
    ],
  ])('is refused with line and column when %s', async (_, content, message) => {
    const file = await fileOf(content)
    await expect(readOrders(file)).rejects.toThrow(message)
    await expect(readOrders(file)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('that is not there says so', async () => {
    await expect(readOrders(join(folder, 'none.csv'))).rejects.toThrow(/ENOENT/)
  })
})

describe('The voucher of an invoice', () => {
  const invoice = (...amounts: readonly (readonly [quantity: bigint, price: bigint])[]): Invoice => ({
    id: '7',
    date: '2010-12-31',
    customer: '17850',
    lines: amounts.map(([quantity, unitPricePence]) => ({ item: 'A', quantity, unitPricePence })),
  })
  const sidesOf = (of: Invoice): readonly string[] | undefined =>
    invoiceVoucher(of, 'c2')?.lines.map(({ account, debit, credit }) =>
      debit === undefined ? `${account} C ${credit}` : `${account} D ${debit}`,
    )

  it('debits the receivable with net and VAT, credits sales line by line and the VAT once', () => {
    expect(sidesOf(invoice([6n, 255n], [2n, 100n]))).toEqual([
      '11210 D 1903',
      '41010 C 1530',
      '41010 C 200',
      '21210 C 173',
    ])
    expect(invoiceVoucher(invoice([6n, 255n]), 'c2')).toMatchObject({
      companyId: 'c2',
      date: '2010-12-31',
      fiscalYear: 2010,
    })
  })

  it('rounds ten per cent half up, once for the invoice', () => {
    expect(sidesOf(invoice([1n, 15n]))).toEqual(['11210 D 17', '41010 C 15', '21210 C 2'])
    expect(sidesOf(invoice([1n, 14n]))).toEqual(['11210 D 15', '41010 C 14', '21210 C 1'])
    expect(sidesOf(invoice([1n, 2n], [1n, 3n]))).toEqual(['11210 D 6', '41010 C 2', '41010 C 3', '21210 C 1'])
  })

  it('with a negative total is the same voucher with its sides swapped', () => {
    expect(sidesOf(invoice([-1n, 15n], [-2n, 100n]))).toEqual([
      '11210 C 237',
      '41010 D 15',
      '41010 D 200',
      '21210 D 22',
    ])
  })

  it('with a total of zero is none, and lines worth nothing are left out', () => {
    expect(invoiceVoucher(invoice([5n, 0n]), 'c1')).toBeUndefined()
    expect(invoiceVoucher(invoice([5n, 10n], [-5n, 10n]), 'c1')).toBeUndefined()
    expect(sidesOf(invoice([5n, 0n], [1n, 4n]))).toEqual(['11210 D 4', '41010 C 4'])
  })

  it('balances to the last penny, whatever the lines', () => {
    const line = fc.tuple(fc.bigInt(-9_999n, 9_999n), fc.bigInt(-2_000_000n, 2_000_000n))
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), (amounts) => {
        const lines = invoiceVoucher(invoice(...amounts), 'c3')?.lines ?? []
        expect(lines.every(({ debit, credit }) => (debit ?? 0n) >= 0n && (credit ?? 0n) >= 0n)).toBe(true)
        expect(lines.reduce((sum, { debit, credit }) => sum + (debit ?? 0n) - (credit ?? 0n), 0n)).toBe(0n)
      }),
    )
  })
})

describe('The generated month', () => {
  const month = generateMonth({ seed: 20_260_101, invoices: 2_025, month: '2026-01' })
  const totals = month.map((invoice) =>
    invoice.lines.reduce((sum, line) => sum + line.quantity * line.unitPricePence, 0n),
  )

  it('is the same for the same seed, and another one for another', () => {
    expect(generateMonth({ seed: 20_260_101, invoices: 2_025, month: '2026-01' })).toEqual(month)
    expect(generateMonth({ seed: 1, invoices: 2_025, month: '2026-01' })).not.toEqual(month)
  })

  it('has the shape of the real one: about 21 lines an invoice, 16 % returns, 7 % worth nothing', () => {
    const lines = month.flatMap((invoice) => invoice.lines)
    expect(lines.length / month.length).toBeGreaterThan(18)
    expect(lines.length / month.length).toBeLessThan(25)
    expect(totals.filter((total) => total < 0n).length / month.length).toBeCloseTo(0.161, 1)
    expect(totals.filter((total) => total === 0n).length / month.length).toBeCloseTo(0.069, 1)
    expect(new Set(lines.map((line) => line.item)).size).toBeGreaterThan(2_400)
    const perItem = new Map<string, number>()
    for (const { item } of lines) perItem.set(item, (perItem.get(item) ?? 0) + 1)
    const popular = [...perItem.values()].sort((a, b) => b - a).slice(0, 280)
    const share = popular.reduce((sum, count) => sum + count, 0) / lines.length
    expect(share).toBeGreaterThan(0.37)
    expect(share).toBeLessThan(0.48)
  })

  it('stays inside its month and never has two invoices of one number', () => {
    expect(month.every((invoice) => /^2026-01-(0[1-9]|1\d|2[0-3])$/.test(invoice.date))).toBe(true)
    expect(new Set(month.map((invoice) => invoice.id)).size).toBe(month.length)
  })
})
