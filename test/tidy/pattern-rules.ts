/** No text, however hostile, makes a pattern search for longer than its length explains. */

import { checkSync } from 'recheck'
import ts from 'typescript'
import { nodesOf, parse, pathsOf, placeOf, type Rule, type SourceTree } from './source-tree.js'

const CODE = /^(?:packages|examples)\/.*\.(?:ts|mts|mjs|js)$/

/** Proves by automata, which needs no luck, and without a clock. */
const PROOF = { checker: 'automaton', timeout: null } as const

process.env['RECHECK_SYNC_BACKEND'] = 'pure'

/** Their proof takes seconds each: a short run takes it from the full one, which makes it. */
const COSTLY: ReadonlySet<string> = new Set(
  process.env['KERP_TEST_FULL'] === '1'
    ? []
    : [
        /^v\|(-?\d+)\|(-?\d+)\|(\d+)$/,
        /^c1\|([^|]+)\|(\d{1,12})\|([VN])\|([\da-f]{8})\|(-|[\da-f,]+)\|/,
        /^(?:([A-Za-z0-9][\w.-]{0,31}):)?([a-z]+):\{([\w.%-]+)\}((?::[\w.%-]+)*)$/,
        /^\d{1,20}:\d{1,20}:(?:\d{1,20}(?:,\d{1,20})*)?$/,
        /^b2\|(\d+-\d+)\|([^|]*)\|(\d+)-(\d{1,15})$/,
        /@user_script: ?\d+: (?:-|@user_script: ?\d+: )?([A-Z]{2,16}) /,
        /^h1\|([0-9a-f]+)\|(\d{1,15})\|([^|]+)\|([^|]+)\|(\d{1,15})$/,
        /^w1\|([0-9a-f]{16})\|([^|]+)\|([^|]+)\|(\d{1,15})$/,
        /^(?:BANK CHARGES|POST|DOT|M|D|S|B|C2|CRUK|AMAZONFEE|ADJUST\w*|TEST\w*|ITEM|GIFT(?:_.*)?)$/i,
      ].map(({ source }) => source),
)

interface Found {
  readonly place: string
  readonly source: string
  readonly flags: string
}

/** Proven, or the reason why not, in words; a pattern is judged once. */
const judged = new Map<string, string | undefined>()

function faultOf({ source, flags }: Found): string | undefined {
  if (COSTLY.has(source)) return undefined
  const key = `${flags}/${source}`
  if (!judged.has(key)) judged.set(key, judge(source, flags))
  return judged.get(key)
}

function judge(source: string, flags: string): string | undefined {
  const found = checkSync(source, flags, PROOF)
  if (found.status === 'safe') return undefined
  return found.status === 'vulnerable'
    ? `it takes ${found.complexity.summary} time`
    : 'nothing is proven of it'
}

function checkPatterns(tree: SourceTree): readonly string[] {
  return pathsOf(tree, CODE).flatMap((path) =>
    [...literalsOf(tree, path), ...luaPatternsOf(tree, path)].flatMap((found) => {
      const fault = faultOf(found)
      if (fault === undefined) return []
      return [
        `${found.place}: /${found.source}/${found.flags}: ${fault}; write one whose parts cannot take the same text.`,
      ]
    }),
  )
}

function literalsOf(tree: SourceTree, path: string): readonly Found[] {
  return nodesOf(parse(tree, path))
    .filter(ts.isRegularExpressionLiteral)
    .map((node) => {
      const end = node.text.lastIndexOf('/')
      return { place: placeOf(path, node), source: node.text.slice(1, end), flags: node.text.slice(end + 1) }
    })
}

function checkMadePatterns(tree: SourceTree): readonly string[] {
  return pathsOf(tree, CODE).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter((node) => ts.isNewExpression(node) || ts.isCallExpression(node))
      .filter(({ expression }) => /^(?:globalThis\.)?RegExp$/.test(expression.getText()))
      .map((node) => `${placeOf(path, node)}: write the pattern as a literal, so that it can be proven.`),
  )
}

// A script is text to TypeScript: its patterns are what `string.match` and its like are given.
const LUA_PATTERN = /\bstring\.(?:match|find|gmatch|gsub)\([^'\n]{0,200}'([^'\n]+)'/g

function luaPatternsOf(tree: SourceTree, path: string): readonly Found[] {
  return nodesOf(parse(tree, path))
    .filter((node) => ts.isTemplateLiteralToken(node) || ts.isStringLiteral(node))
    .flatMap((node) =>
      [...node.text.matchAll(LUA_PATTERN)].map(([, pattern = '']) => ({
        place: placeOf(path, node),
        source: regexpOf(pattern),
        flags: 's',
      })),
    )
}

const LUA_CLASSES: Readonly<Record<string, string>> = {
  a: 'A-Za-z',
  d: '\\d',
  l: 'a-z',
  s: '\\s',
  u: 'A-Z',
  w: '\\dA-Za-z',
  x: '\\dA-Fa-f',
}

/** The regular expression that matches, and searches, as a Lua pattern without `%b` and `%f` does. */
function regexpOf(pattern: string): string {
  let source = ''
  let inSet = false
  for (const [token] of pattern.matchAll(/%?./gs)) {
    if (token === '[') inSet = true
    if (token === ']') inSet = false
    source += luaTokenAsRegexp(token, inSet)
  }
  return source
}

function luaTokenAsRegexp(token: string, inSet: boolean): string {
  const [first = '', second = ''] = token
  if (first !== '%') {
    if (first === '-' && !inSet) return '*?'
    return /[\\{}|/]/.test(first) ? `\\${first}` : first
  }
  const letters = LUA_CLASSES[second]
  if (letters !== undefined) return inSet ? letters : `[${letters}]`
  return `\\${second}`
}

/** Regular expressions and the patterns of scripts. */
export const patternRules: readonly Rule[] = [
  {
    title: 'every pattern takes time in proportion to its text',
    check: checkPatterns,
    counterexample: {
      'packages/core/src/a.ts': 'const a = /^[a-z]+$/\nconst b = /(a+)+$/',
    },
    finds: 'packages/core/src/a.ts:2: /(a+)+$/: it takes exponential time',
  },
  {
    title: 'no pattern tries each place of a text anew',
    check: checkPatterns,
    counterexample: { 'examples/erp/page/a.mjs': 'const a = /\\s+$/' },
    finds: 'examples/erp/page/a.mjs:1: /\\s+$/: it takes 2nd degree polynomial time',
  },
  {
    title: 'no pattern of a script tries each way to divide a text',
    check: checkPatterns,
    counterexample: { 'packages/core/src/a.lua.ts': "const a = `string.match(text, '(.-)%d*(%d*)x')`" },
    finds: 'packages/core/src/a.lua.ts:1: ',
  },
  {
    title: 'no pattern is put together at run time',
    check: checkMadePatterns,
    counterexample: { 'packages/core/src/a.ts': "const a = new RegExp(text + '+')" },
    finds: 'packages/core/src/a.ts:1: write the pattern as a literal',
  },
]
