/** Everything that people copy from the documents and docstrings compiles, runs, and shows what it says. */

import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readTree } from '../tidy/source-tree.js'
import { blocksOfDocstrings, blocksOfDocuments, type CodeBlock } from './code-blocks.js'
import { compile } from './compile.js'
import { preparePrograms, runProgram } from './run-program.js'

const project = readTree(join(import.meta.dirname, '..', '..'))
const blocks = [...blocksOfDocuments(project), ...blocksOfDocstrings(project)]

/** What is wrong with running a block; empty when it does what it shows. */
async function faultsOf({ program = '', prints }: CodeBlock): Promise<string> {
  const { ok, stdout, stderr } = await runProgram(program)
  if (!ok) return stderr
  return prints === undefined || stdout.trim() === prints ? '' : `printed\n${stdout}`
}

function fenced(info: string, ...lines: readonly string[]): CodeBlock {
  const text = ['# Title', `\`\`\`${info}`, ...lines, '```', ''].join('\n')
  const [block] = blocksOfDocuments(new Map([['docs/a.md', text]]))
  if (block === undefined) throw new Error('no block was found')
  return block
}

const wrongType = fenced(
  'ts',
  `import { parseAmount } from '@kerp/core'`,
  `const won: string = parseAmount('1', 'KRW')`,
)

const [inDocstring] = blocksOfDocstrings(
  new Map([
    ['packages/core/src/index.ts', `export { formatQuantity } from './quantity.js'`],
    [
      'packages/core/src/quantity.ts',
      `/**\n * @example\n * formatQuantity(12500n) // '12.6'\n */\nexport const a = 1`,
    ],
  ]),
)

let complaints: readonly string[]
beforeAll(async () => {
  // All in one program, since most of its time is spent on what they all import.
  complaints = compile([...blocks, wrongType, ...(inDocstring === undefined ? [] : [inDocstring])])
  await preparePrograms(blocks.flatMap(({ program }) => program ?? []))
})

describe('in this project', () => {
  test('every code block and every example compiles', () => {
    expect(blocks.length).toBeGreaterThan(0)
    expect(complaints.filter((complaint) => !complaint.startsWith(wrongType.place)).join('\n')).toBe('')
  })

  for (const block of blocks.filter(({ program }) => program !== undefined)) {
    test(`the code at ${block.place} runs and shows what it says`, async () => {
      expect(await faultsOf(block)).toBe('')
    })
  }
})

describe('a block that is wrong is found out', () => {
  test('by the compiler', () => {
    expect(complaints).toContain(
      `docs/a.md:3, line 2 of the block: Type 'bigint' is not assignable to type 'string'.`,
    )
  })

  test('by the value that it shows', async () => {
    expect(await faultsOf(fenced('ts', '1 + 1 // => 2', 'const three = 1 + 2 // => 3'))).toBe('')
    expect(await faultsOf(fenced('ts', '1 + 1 // => 3'))).toContain(
      'Expected values to be strictly deep-equal',
    )
    expect(await faultsOf(fenced('ts', 'const three = 1 + 2 // => 4'))).toContain('deep-equal')
  })

  test('by what it prints', async () => {
    expect(await faultsOf(fenced('ts run', `console.log('a b') // => a b`))).toBe('')
    expect(await faultsOf(fenced('ts run', `console.log('a b') // => a c`))).toBe('printed\na b\n')
  })

  test('by an error that it throws', async () => {
    expect(await faultsOf(fenced('ts run', `throw new Error('no')`))).toContain('Error: no')
  })
})

test('an example is compiled with the names of its package, and run when it shows a result', async () => {
  if (inDocstring === undefined) throw new Error('no example was found')
  expect(inDocstring.place).toBe('packages/core/src/quantity.ts:2')
  expect(complaints.filter((complaint) => complaint.startsWith(inDocstring.place))).toEqual([])
  expect(await faultsOf(inDocstring)).toContain(`'12.6'`)
})
