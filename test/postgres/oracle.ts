/**
 * What all oracles have in common. An oracle is a second, plain computation of what a read must answer, from what was
 * written and not from what is stored: arrays that are filtered and sorted, without SQL, indexes or cursors.
 */

import { expect } from 'vitest'

/** Around the places where a number gets one more digit, and a page one more line. */
export const PAGE_SIZES: readonly number[] = [1, 9, 10, 99, 100, 1_000]

const AT_ONCE = 12

/** `toEqual` for lists of thousands, which shows the first place that differs. */
export function expectSame(found: unknown, expected: unknown): void {
  if (textOf(found) === textOf(expected)) return
  if (Array.isArray(found) && Array.isArray(expected)) {
    const [a, b]: [unknown[], unknown[]] = [found, expected]
    const longer = a.length > b.length ? a : b
    const place = longer.findIndex((_, n) => textOf(a[n]) !== textOf(b[n]))
    expect({ place, item: a[place] }).toEqual({ place, item: b[place] })
  }
  expect(found).toEqual(expected)
}

function textOf(value: unknown): string | undefined {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part))
}

/** Works on a dozen items at a time. */
export async function together<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Reads page after page to the end; each but the last is full, and none is larger. */
export async function allPages<T>(
  limit: number,
  read: (last: T | undefined) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const all: T[] = []
  for (;;) {
    const page = await read(all.at(-1))
    expect(page.length).toBeLessThanOrEqual(limit)
    all.push(...page)
    if (page.length < limit) return all
  }
}

/** Groups in the order in which their names first come. */
export function grouped<T>(items: readonly T[], nameOf: (item: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(nameOf(item))
    if (group === undefined) groups.set(nameOf(item), [item])
    else group.push(item)
  }
  return groups
}

/** Codes as companies have them: numbers of different lengths, what looks like numbers, Hangul, and letters beyond UTF-16. */
export const CODES: readonly string[] = [
  ...['1101', '9', '10', '100', '01', '1e3', '-5', '0x1F', '4.0', '1', '2', '20', '3'],
  ...['현금', '매출 채권', '부가세예수금', 'Ａ', '𠮷', 'é', 'a', 'B', 'z/9', 'z/10'],
]

/** Eight companies whose own names are easily taken for each other. */
export const COMPANIES: readonly string[] = ['c1', 'c2', 'c10', 'c9', 'C1', '0', '00', 'a_b']
