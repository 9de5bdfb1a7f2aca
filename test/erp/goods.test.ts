import { describe, expect, it } from 'vitest'
import { generateMonth } from '../../examples/erp/src/demo/generator.js'
import { isGoods, planGoods } from '../../examples/erp/src/demo/goods.js'

const month = generateMonth({ seed: 7, invoices: 300, month: '2026-01' })

describe('An order line', () => {
  it.each(['85123A', '15056bl', 'DCGS0003', 'PADS', 'M1'])('moves goods: %s', (item) => {
    expect(isGoods(item)).toBe(true)
  })

  it.each([
    'BANK CHARGES',
    'POST',
    'DOT',
    'M',
    'm',
    'D',
    'S',
    'C2',
    'AMAZONFEE',
    'gift_0001_40',
    '',
    'a:b',
    'x'.repeat(129),
  ])('moves none: %s', (item) => {
    expect(isGoods(item)).toBe(false)
  })
})

describe('The plan of a month', () => {
  const plan = planGoods(month)

  it('is the same for the same orders, ids included, and another for others', () => {
    expect(planGoods(month)).toEqual(plan)
    const other = planGoods(month.slice(1))
    expect(other.arrivals[0]?.movementId).not.toBe(plan.arrivals[0]?.movementId)
  })

  it('has every id once', () => {
    const ids = [...plan.arrivals, ...plan.deliveries, ...plan.moves].map(({ movementId }) => movementId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('lets arrive what is sold, and moves or names every line', () => {
    const sold = plan.moves.reduce((sum, { quantity }) => (quantity < 0n ? sum - quantity : sum), 0n)
    expect(plan.arrivals.reduce((sum, { quantity }) => sum + quantity, 0n)).toBe(sold)
    const lines = month.reduce((sum, invoice) => sum + invoice.lines.length, 0)
    expect(plan.moves.length + plan.linesWithoutGoods).toBe(lines)
    expect(plan.linesWithoutGoods).toBeGreaterThan(0)
  })

  it('brings to no branch more than it sells, and to some less', () => {
    const soldAt = new Map<string, bigint>()
    for (const { item, warehouse, quantity } of plan.moves) {
      const name = `${item} ${warehouse}`
      if (quantity < 0n) soldAt.set(name, (soldAt.get(name) ?? 0n) - quantity)
    }
    const missing = plan.deliveries.map(
      ({ item, to, quantity }) => (soldAt.get(`${item} ${to}`) ?? 0n) - quantity,
    )
    expect(missing.every((quantity) => quantity >= 0n)).toBe(true)
    expect(missing.some((quantity) => quantity > 0n)).toBe(true)
  })
})
