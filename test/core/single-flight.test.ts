import { OverloadedError, SingleFlight } from '@kerp/core'
import { describe, expect, it, vi } from 'vitest'

/** A load that is finished by hand. */
function heldLoad<V>() {
  let finish: (value: V) => void = () => undefined
  let fail: (error: Error) => void = () => undefined
  const load = vi.fn(
    () =>
      new Promise<V>((resolve, reject) => {
        finish = resolve
        fail = reject
      }),
  )
  return { load, finish: (value: V) => finish(value), fail: (error: Error) => fail(error) }
}

describe('single flight', () => {
  it('loads once for all who ask while it runs, and anew for the next', async () => {
    const flights = new SingleFlight<string>('Test')
    const { load, finish } = heldLoad<string>()
    const asked = [flights.run('a', load), flights.run('a', load), flights.run('a', load)]
    expect(flights.size).toBe(1)
    finish('found')
    expect(await Promise.all(asked)).toStrictEqual(['found', 'found', 'found'])
    expect(load).toHaveBeenCalledOnce()
    expect(flights.size).toBe(0)
    void flights.run('a', load)
    expect(load).toHaveBeenCalledTimes(2)
  })

  it('keeps keys apart', async () => {
    const flights = new SingleFlight<string>('Test')
    const answers = await Promise.all(['a', 'b'].map((key) => flights.run(key, () => Promise.resolve(key))))
    expect(answers).toStrictEqual(['a', 'b'])
  })

  it('hands a failure to all who asked, and forgets it', async () => {
    const flights = new SingleFlight<string>('Test')
    const { load, fail } = heldLoad<string>()
    const asked = [flights.run('a', load), flights.run('a', load)]
    fail(new Error('no database'))
    const settled = await Promise.allSettled(asked)
    expect(settled.map(({ status }) => status)).toStrictEqual(['rejected', 'rejected'])
    expect(await flights.run('a', () => Promise.resolve('found'))).toBe('found')
  })

  it('takes a load that throws at once for one that failed', async () => {
    const flights = new SingleFlight<string>('Test')
    const failing = flights.run('a', () => {
      throw new Error('at once')
    })
    await expect(failing).rejects.toThrow('at once')
    expect(flights.size).toBe(0)
  })

  it('never lets a caller join a load that began before the mark it took', async () => {
    const flights = new SingleFlight<string>('Test')
    const old = heldLoad<string>()
    const fresh = heldLoad<string>()
    const first = flights.run('a', old.load)
    const mark = flights.mark()
    const second = flights.run('a', fresh.load, mark)
    const third = flights.run('a', fresh.load, mark)
    const anyAge = flights.run('a', fresh.load)
    expect(fresh.load).toHaveBeenCalledOnce()
    fresh.finish('new')
    expect(await Promise.all([second, third, anyAge])).toStrictEqual(['new', 'new', 'new'])
    old.finish('old')
    expect(await first).toBe('old')
  })

  it('does not forget the newer load of a key when the older one ends', async () => {
    const flights = new SingleFlight<string>('Test')
    const old = heldLoad<string>()
    const fresh = heldLoad<string>()
    const first = flights.run('a', old.load)
    void flights.run('a', fresh.load, flights.mark())
    old.finish('old')
    await first
    const joined = flights.run('a', fresh.load)
    expect(fresh.load).toHaveBeenCalledOnce()
    fresh.finish('new')
    expect(await joined).toBe('new')
  })

  it('refuses one load more than its bound, of another key or of the same one, and takes it when one ended', async () => {
    const flights = new SingleFlight<string>('Balances', 2)
    const held = heldLoad<string>()
    const again = heldLoad<string>()
    const first = flights.run('a', held.load)
    void flights.run('a', again.load, flights.mark())
    expect(flights.size).toBe(2)
    await expect(flights.run('b', held.load)).rejects.toThrow('Balances is full: flightsMax is 2.')
    await expect(flights.run('a', held.load, flights.mark())).rejects.toThrow(OverloadedError)
    expect(held.load).toHaveBeenCalledOnce()
    held.finish('found')
    await first
    expect(await flights.run('b', () => Promise.resolve('b'))).toBe('b')
  })
})
