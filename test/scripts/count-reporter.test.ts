import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

/** What the reporter counts for one test file, in a vitest of its own. */
async function countOf(code: string): Promise<unknown> {
  mkdirSync(join(ROOT, '.kerp'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.kerp', 'count-'))
  try {
    writeFileSync(join(folder, 'vitest.config.mjs'), 'export default {}')
    writeFileSync(join(folder, 'it.test.mjs'), `import { beforeAll, describe, test } from 'vitest'\n${code}`)
    const countFile = join(folder, 'count.json')
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
    const reporter = join(ROOT, 'scripts', 'count-reporter.mjs')
    await new Promise<void>((resolve) => {
      execFile(
        process.execPath,
        [vitest, 'run', '--root', folder, '--reporter', reporter],
        { env: { PATH: process.env.PATH, KERP_TEST_COUNT_FILE: countFile } },
        () => resolve(),
      )
    })
    return JSON.parse(readFileSync(countFile, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('passed and failed tests are counted, skipped ones are neither', async () => {
  const code = `test('a', () => {}); test('b', () => { throw Error('no') }); test.skip('c', () => {})`
  expect(await countOf(code)).toMatchObject({ passed: 1, failed: 1, complaints: [] })
})

test('what took longest is told by file', async () => {
  const slowest = [{ file: 'it.test.mjs', seconds: expect.any(Number) as number }]
  expect(await countOf(`test('a', () => {})`)).toMatchObject({ slowest })
})

test('a file that does not load is a complaint', async () => {
  const complaints = [expect.stringContaining('it.test.mjs, no')]
  expect(await countOf(`throw new Error('no')`)).toMatchObject({ passed: 0, failed: 0, complaints })
})

test('a hook that throws is a complaint', async () => {
  const code = `describe('d', () => { beforeAll(() => { throw new Error('no') }); test('a', () => {}) })`
  expect(await countOf(code)).toMatchObject({ passed: 0, complaints: [expect.stringContaining('no')] })
})

test('an error that nobody handles is a complaint', async () => {
  const code = `test('a', () => { void Promise.reject(new Error('no')) })`
  const complaints = [expect.stringContaining('an unhandled error, no')]
  expect(await countOf(code)).toMatchObject({ passed: 1, failed: 0, complaints })
})
