/** What may not be written in the packages, and what to write instead. */

import ts from 'typescript'
import {
  ANY_SOURCE,
  importsOf,
  nodesOf,
  PACKAGE_SOURCE,
  parse,
  pathsOf,
  placeOf,
  type Rule,
  type SourceTree,
} from './source-tree.js'

const TIMER = 'a Clock: `clock.setTimer` or `sleep(clock, delayMs)`'
const FAILURE = "a class of the package's errors.ts that extends KerpError"
const CHANCE = 'a RandomSource or an IdSource'

/** Replacement by what is called or constructed. */
const BANS: Readonly<Record<string, string>> = {
  'Date.now': 'a Clock: `clock.monotonicMs()` for durations, `clock.nowMs()` for showing a moment',
  'new Date()': '`new Date(clock.nowMs())` with a Clock',
  'performance.now': 'a Clock: `clock.monotonicMs()`',
  'process.hrtime': 'a Clock: `clock.monotonicMs()`',
  setTimeout: TIMER,
  setInterval: TIMER,
  'AbortSignal.timeout': TIMER,
  'Math.random': CHANCE,
  randomBytes: CHANCE,
  randomUUID: CHANCE,
  'crypto.randomUUID': CHANCE,
  console: 'an observation, or an error that is thrown',
  Error: FAILURE,
  TypeError: FAILURE,
  RangeError: FAILURE,
}

const TIMERS: readonly string[] = ['setTimeout', 'setInterval']
const TIMER_MODULE = /^(?:node:)?timers(?:\/promises)?$/

/** What starts and watches real server processes for tests: it waits for programs, not for a Clock. */
const LAUNCHER = /^packages\/(?:redis|postgres)\/src\/(?:testing|private-[a-z-]+)\.ts$/

/** Who may: the ports themselves, and the launchers. */
const EXCEPTIONS: readonly { readonly files: RegExp; readonly may: readonly string[] }[] = [
  { files: /^packages\/core\/src\/clock\.ts$/, may: ['Date.now', 'performance.now', 'setTimeout'] },
  { files: /^packages\/core\/src\/ids\.ts$/, may: ['Math.random', 'randomBytes'] },
  // The browser's side imports nothing, so that it has no ports to take these from.
  { files: /^packages\/live\/src\/browser\.ts$/, may: ['setTimeout', 'Math.random'] },
  // Its errors stand for those of a driver, which are none of ours.
  { files: /^packages\/registers\/src\/memory-database\.ts$/, may: ['RangeError'] },
  { files: LAUNCHER, may: [...TIMERS, 'Date.now', 'randomBytes'] },
]

const bansFound = new WeakMap<SourceTree, readonly string[]>()

function checkBans(tree: SourceTree): readonly string[] {
  const found = bansFound.get(tree) ?? findBans(tree)
  bansFound.set(tree, found)
  return found
}

function findBans(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) => {
    const allowed = EXCEPTIONS.filter(({ files }) => files.test(path)).flatMap(({ may }) => may)
    return nodesOf(parse(tree, path)).flatMap((node) => {
      const name = bannedNameOf(node)
      if (name === undefined || allowed.includes(name)) return []
      return [`${placeOf(path, node)}: instead of ${name} use ${BANS[name] ?? ''}.`]
    })
  })
}

function bannedNameOf(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return undefined
  const callee = node.expression
  const text = callee.getText()
  if (ts.isNewExpression(node) && text === 'Date') return node.arguments?.length ? undefined : 'new Date()'
  if (text.startsWith('console.')) return 'console'
  if (text.startsWith('process.hrtime')) return 'process.hrtime'
  return Object.hasOwn(BANS, text) ? text : undefined
}

function checkTimerImports(tree: SourceTree): readonly string[] {
  const paths = pathsOf(tree, PACKAGE_SOURCE).filter((path) => !LAUNCHER.test(path))
  return paths.flatMap((path) =>
    importsOf(tree, path)
      .filter(({ specifier }) => TIMER_MODULE.test(specifier))
      .map(({ node, specifier }) => `${placeOf(path, node)}: instead of ${specifier} use ${TIMER}.`),
  )
}

function checkTypeEscapes(tree: SourceTree): readonly string[] {
  return pathsOf(tree, ANY_SOURCE).flatMap((path) =>
    nodesOf(parse(tree, path)).flatMap((node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword)
        return [`${placeOf(path, node)}: narrow unknown instead of any.`]
      if (ts.isNonNullExpression(node))
        return [`${placeOf(path, node)}: handle undefined instead of using \`!\`.`]
      return []
    }),
  )
}

const DIRECTIVE = /^\s*(?:\/\/|\/?\*+)\s*@ts-(ignore|nocheck|expect-error)/

function checkDirectives(tree: SourceTree): readonly string[] {
  return pathsOf(tree, ANY_SOURCE).flatMap((path) =>
    (tree.get(path) ?? '').split('\n').flatMap((line, index) => {
      const word = DIRECTIVE.exec(line)?.[1]
      const inTypeTest = word === 'expect-error' && path.endsWith('.test-d.ts')
      if (word === undefined || inTypeTest) return []
      return [`${path}:${index + 1}: give the value its right type instead of @ts-${word}.`]
    }),
  )
}

const UNIT_TEST = /^test\/(?!faults\/).*(?<!\.redis|\.pg|\.live)\.test\.ts$/

function checkSleeps(tree: SourceTree): readonly string[] {
  return pathsOf(tree, UNIT_TEST).flatMap((path) => [
    ...nodesOf(parse(tree, path))
      .filter((node) => ts.isCallExpression(node) && TIMERS.includes(node.expression.getText()))
      .map((node) => `${placeOf(path, node)}: move a manualClock instead of waiting.`),
    ...importsOf(tree, path)
      .filter(({ specifier }) => TIMER_MODULE.test(specifier))
      .map(({ node }) => `${placeOf(path, node)}: move a manualClock instead of waiting.`),
  ])
}

function checkPaths(tree: SourceTree): readonly string[] {
  return pathsOf(tree, ANY_SOURCE).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter((node) => ts.isPropertyAccessExpression(node) && node.name.text === 'pathname')
      .filter((node) => node.getText().includes('import.meta.url'))
      .map(
        (node) =>
          `${placeOf(path, node)}: use import.meta.dirname; a pathname has %20 where the path has a space.`,
      ),
  )
}

const TEST_FILE = /\.(?:test|conformance)\.ts$|^test\/conformance\//
const LEFT_OUT: readonly string[] = ['skip', 'skipIf', 'runIf', 'only', 'todo', 'fails']
const REGISTERS_A_TEST = /^(?:test|it|describe)\b/

function checkLeftOut(tree: SourceTree): readonly string[] {
  return pathsOf(tree, TEST_FILE).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter((node) => ts.isPropertyAccessExpression(node) && LEFT_OUT.includes(node.name.text))
      .filter((node) => REGISTERS_A_TEST.test(node.getText()))
      .map((node) => `${placeOf(path, node)}: run every test; a count may differ in the full run.`),
  )
}

/** Bans with their replacements. */
export const banRules: readonly Rule[] = [
  ...Object.keys(BANS).map((name): Rule => {
    const call = name === 'console' ? 'console.log(1)' : name.startsWith('new ') ? name : `${name}(1)`
    return {
      title: `packages do not use ${name}`,
      check: (tree) => checkBans(tree).filter((finding) => finding.includes(`instead of ${name} `)),
      counterexample: { 'packages/keys/src/keys.ts': `\nexport const made = ${call}` },
      finds: `packages/keys/src/keys.ts:2: instead of ${name} use ${BANS[name] ?? ''}`,
    }
  }),
  {
    title: "packages do not import Node's timers",
    check: checkTimerImports,
    counterexample: {
      'packages/keys/src/keys.ts': `import { setTimeout as sleep } from 'node:timers/promises'`,
    },
    finds: 'packages/keys/src/keys.ts:1: instead of node:timers/promises use a Clock',
  },
  {
    title: 'types are never escaped by `any` or `!`',
    check: checkTypeEscapes,
    counterexample: { 'test/a.test.ts': 'const a: any[] = []', 'test/b.test.ts': 'f(a!)' },
    finds: 'test/a.test.ts:1: narrow unknown instead of any.\ntest/b.test.ts:1: handle undefined',
  },
  {
    title: 'types are never silenced by a comment',
    check: checkDirectives,
    counterexample: { 'packages/core/src/a.ts': `\n  // @ts-ignore: later` },
    finds: 'packages/core/src/a.ts:2: give the value its right type',
  },
  {
    title: 'unit tests move time instead of waiting',
    check: checkSleeps,
    counterexample: {
      'test/core/a.test.ts': 'await new Promise((done) => setTimeout(done, 5))',
      'test/core/b.redis.test.ts': 'await new Promise((done) => setTimeout(done, 5))',
    },
    finds: 'test/core/a.test.ts:1: move a manualClock',
  },
  {
    title: 'the checkout may lie in a folder with any name',
    check: checkPaths,
    counterexample: { 'test/a.test.ts': `const script = new URL('a.ts', import.meta.url).pathname` },
    finds: 'test/a.test.ts:1: use import.meta.dirname',
  },
  {
    title: 'no test is left out',
    check: checkLeftOut,
    counterexample: { 'test/a.redis.test.ts': `test.runIf(process.platform === 'linux')('a', () => {})` },
    finds: 'test/a.redis.test.ts:1: run every test',
  },
]
