import { faulty } from '@kerp/core/testing'
import { describe, expect, it } from 'vitest'

class Counter {
  #count = 0
  readonly name = 'counter'

  get count(): number {
    return this.#count
  }

  add(amount: number): Promise<number> {
    this.#count += amount
    return Promise.resolve(this.#count)
  }

  look(): number {
    return this.#count
  }
}

describe('a fault wrapper', () => {
  it('changes nothing until the plan says so', async () => {
    const real = new Counter()
    const { target } = faulty(real, ['add'])
    expect(await target.add(2)).toBe(2)
    expect([target.look(), target.count, target.name, real.count]).toStrictEqual([2, 2, 'counter', 2])
  })

  it('fails calls before they reach the target, and only those that were named', async () => {
    const { target, plan } = faulty(new Counter(), ['add'])
    plan.fail = new Error('cut')
    await expect(target.add(1)).rejects.toThrow('cut')
    expect(target.look()).toBe(0)
    plan.fail = undefined
    expect(await target.add(1)).toBe(1)
  })

  it('holds calls back, and lets them fail after the wait', async () => {
    const { target, plan } = faulty(new Counter(), ['add'])
    let release: () => void = () => undefined
    plan.hold = new Promise((resolve) => (release = resolve))
    const held = target.add(1)
    await Promise.resolve()
    expect(target.look()).toBe(0)
    release()
    expect(await held).toBe(1)
  })

  it('sends calls twice and answers with the second result', async () => {
    const { target, plan } = faulty(new Counter(), ['add'])
    plan.duplicate = true
    expect(await target.add(1)).toBe(2)
  })
})
