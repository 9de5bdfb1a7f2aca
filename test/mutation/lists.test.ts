/** What `npm run mutate` breaks is still there, and so are the tests that must fail. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readTree } from '../tidy/source-tree.js'

interface Equivalent {
  readonly line: string
  readonly was: string
  readonly becomes: string
  readonly reason: string
}

interface Target {
  readonly tests: readonly string[]
  readonly equivalent: readonly Equivalent[]
}

interface TextMutation {
  readonly file: string
  readonly search: string
  readonly replace: string
  readonly test: string
  readonly title: string
}

/** More than can be broken in an hour by two processes. */
const FILES_MAX = 25

const tree = readTree(join(import.meta.dirname, '..', '..'))
const files = readList('files.json') as Record<string, Target>
const texts = readList('texts.json') as readonly TextMutation[]

function readList(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, name), 'utf8'))
}

/** How often a text stands in a file; no file, no text. */
function countIn(path: string, text: string): number {
  return (tree.get(path) ?? '').split(text).length - 1
}

describe('of the files that are broken a fault at a time', () => {
  test('there are no more than an hour is enough for', () => {
    expect(Object.keys(files).length).toBeLessThanOrEqual(FILES_MAX)
  })

  test.each(Object.entries(files))('%s and its tests are there, and need no server', (path, { tests }) => {
    expect(tree.has(path)).toBe(true)
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.filter((test) => !tree.has(test))).toEqual([])
    expect(tests.filter((test) => /\.(?:redis|pg|live)\.test\.ts$/.test(test))).toEqual([])
  })

  test.each(Object.entries(files))(
    '%s still has the lines whose faults change nothing, each with a reason',
    (path, target) => {
      const lines = (tree.get(path) ?? '').split('\n').map((line) => line.trim())
      const wrong = target.equivalent.filter(({ line, reason }) => !lines.includes(line) || reason === '')
      expect(wrong).toEqual([])
    },
  )
})

describe('of the scripts and statements that are broken', () => {
  test.each(texts)(
    '$file has the text `$search` once, and another in its place',
    ({ file, search, replace }) => {
      expect(countIn(file, search)).toBe(1)
      expect(replace).not.toBe(search)
    },
  )

  test.each(texts)('the test that must fail without `$search` is there', ({ test: path, title }) => {
    expect(tree.has(path)).toBe(true)
    expect(title).not.toBe('')
    expect([...tree].some(([other, text]) => other.startsWith('test/') && text.includes(title))).toBe(true)
  })
})
