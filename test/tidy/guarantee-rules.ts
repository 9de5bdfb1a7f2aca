/** docs/guarantees.md and docs/faults.md name tests that exist, every test of a fault, and every operation. */

import ts from 'typescript'
import { quotedIn, tableRowsOf } from './markdown.js'
import { nodesOf, parse, pathsOf, placeOf, type Rule, type SourceTree } from './source-tree.js'

const GUARANTEES = 'docs/guarantees.md'
const FAULTS = 'docs/faults.md'
/** Tests, and the suites that they share with each other and with users. */
const ALL_TESTS =
  /^test\/(?:.*\.test|(?:conformance|integrations)\/.*)\.ts$|^packages\/[^/]+\/src\/.*-conformance\.ts$/

/** Tests that show a promise, or are none: faults, what holds on every Redis, and the frameworks. */
const PROMISING = /^test\/(?:faults\/.*\.test|conformance\/.*|integrations\/.*|versions\/.*\.test)\.ts$/

interface Title {
  readonly text: string
  /** What a template or `test.each` fills in stands for any text. */
  readonly pattern: RegExp
  readonly place: string
}

// `test(…)`, `it.each(…)(…)`, `test.skipIf(…)(…)`: whatever stands between, it begins with one of the words. An exported suite
// calls `declare(…)`.
function isTestFunction(callee: ts.Expression): boolean {
  let node = callee
  while (
    ts.isCallExpression(node) ||
    ts.isPropertyAccessExpression(node) ||
    ts.isTaggedTemplateExpression(node)
  ) {
    node = ts.isTaggedTemplateExpression(node) ? node.tag : node.expression
  }
  return ts.isIdentifier(node) && ['test', 'it', 'declare'].includes(node.text)
}

const titlesByTree = new WeakMap<SourceTree, readonly Title[]>()

function allTitles(tree: SourceTree): readonly Title[] {
  const titles = titlesByTree.get(tree) ?? titlesOf(tree, ALL_TESTS)
  titlesByTree.set(tree, titles)
  return titles
}

function titlesOf(tree: SourceTree, files: RegExp): readonly Title[] {
  return pathsOf(tree, files).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter(ts.isCallExpression)
      .flatMap(({ expression, arguments: [title] }) => {
        if (title === undefined || !isTestFunction(expression)) return []
        const parts = titleParts(title)
        return parts === undefined
          ? []
          : [{ text: parts.join('…'), pattern: titlePattern(parts), place: placeOf(path, title) }]
      }),
  )
}

function titleParts(title: ts.Expression): readonly string[] | undefined {
  if (ts.isStringLiteralLike(title)) return title.text.split(/%[sdifjo#]|\$\w+/)
  if (!ts.isTemplateExpression(title)) return undefined
  return [title.head.text, ...title.templateSpans.map(({ literal }) => literal.text)]
}

function titlePattern(parts: readonly string[]): RegExp {
  return new RegExp(`^${parts.map(literal).join('.*')}$`)
}

function missingTests(tree: SourceTree, names: readonly string[], place: string): readonly string[] {
  const titles = allTitles(tree)
  return names
    .filter((name) => !titles.some(({ pattern }) => pattern.test(name)))
    .map((name) => `${place}: no test is called “${name}”; write it, or name the one that shows this.`)
}

/** Behind a test that `npm run test:faults` runs, and `npm test` does not. */
const IN_FAULTS = ' (faults)'

/** The row with each test that only `npm run test:faults` runs marked as such, and no other. */
export function withRuns(tree: SourceTree, row: string): string {
  return row.replaceAll(/(`([^`]+)`)(?: \(faults\))?/g, (_, quoted: string, name: string) => {
    const titles = allTitles(tree).filter(({ pattern }) => pattern.test(name))
    // A title that is filled in when it runs may be any text; the most that is written of one says whose it is.
    const written = Math.max(0, ...titles.map(({ text }) => text.length))
    const places = titles.filter(({ text }) => text.length === written)
    const isInFaults = places.length > 0 && places.every(({ place }) => isFaultFile(tree, place))
    return quoted + (isInFaults ? IN_FAULTS : '')
  })
}

/** `place` begins with the path of a file; `test/runs.json` has the globs. */
function isFaultFile(tree: SourceTree, place: string): boolean {
  const { faults = [] } = JSON.parse(tree.get('test/runs.json') ?? '{}') as { faults?: readonly string[] }
  const path = place.replace(/:\d+$/, '')
  return faults.some((glob) => {
    const source = glob.split('**/').map((part) => part.split('*').map(literal).join('[^/]*'))
    return new RegExp(`^${source.join('(?:.*/)?')}$`).test(path)
  })
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function checkRuns(tree: SourceTree): readonly string[] {
  const rows = (tree.get(GUARANTEES) ?? '').split('\n')
  return rows.flatMap((row, index) =>
    row.includes(IN_FAULTS) && withRuns(tree, row) !== row
      ? [
          `${GUARANTEES}:${index + 1}: “(faults)” stands behind each test that only npm run test:faults runs, and no other.`,
        ]
      : [],
  )
}

function checkGuarantees(tree: SourceTree): readonly string[] {
  return tableRowsOf(tree, GUARANTEES).flatMap(({ cells, line }) => {
    const named = quotedIn(cells.at(-1) ?? '')
    const place = `${GUARANTEES}:${line}`
    return named.length === 0
      ? [`${place}: name the test that shows this in the last column.`]
      : missingTests(tree, named, place)
  })
}

function checkPromisingTests(tree: SourceTree): readonly string[] {
  const named = tableRowsOf(tree, GUARANTEES).flatMap(({ cells }) => quotedIn(cells.at(-1) ?? ''))
  return titlesOf(tree, PROMISING)
    .filter(({ pattern }) => !named.some((name) => pattern.test(name)))
    .map(
      ({ text, place }) =>
        `${place}: “${text}” shows no promise of ${GUARANTEES}; write what it shows there.`,
    )
}

/** What services call, and the classes whose methods these are. */
const OPERATED: Readonly<Record<string, readonly string[]>> = {
  BalanceCache: ['BalanceCache'],
  GuardedBalances: ['GuardedBalances'],
  Ledger: ['Ledger'],
  Stock: ['Stock'],
  Locks: ['Locks', 'LockProvider'],
  CachedValues: ['CachedValues'],
  ReadThrough: ['ReadThrough'],
  Invalidator: ['Invalidator'],
  Warmer: ['Warmer'],
  Publisher: ['Publisher'],
  Subscriber: ['Subscriber'],
  Consumer: ['Consumer'],
  Batches: ['Batches'],
  WorkerPool: ['WorkerPool'],
  CpuPool: ['CpuPool'],
  LiveHub: ['LiveHub'],
}

/** Methods that neither ask nor change anything outside, and those that begin and end a part. */
const PLUMBING = new Set(
  'Consumer.start stop close define keyOf nameOf waitMsOf withWait wake running hasClients pause resume resize drain stats'.split(
    ' ',
  ),
)

/** The operations of the packages: `Locks.acquire`. */
function operationsOf(tree: SourceTree): readonly string[] {
  const classes = new Map<string, ts.ClassDeclaration>()
  for (const path of pathsOf(tree, /^packages\/[^/]+\/src\/.*\.ts$/)) {
    for (const node of parse(tree, path).statements) {
      if (ts.isClassDeclaration(node) && node.name !== undefined) classes.set(node.name.text, node)
    }
  }
  const all = Object.entries(OPERATED).flatMap(([name, parts]) =>
    parts
      .flatMap((part) => methodsOf(classes.get(part)))
      .filter((method) => !PLUMBING.has(method) && !PLUMBING.has(`${name}.${method}`))
      .map((method) => `${name}.${method}`),
  )
  return [...new Set(all)]
}

function methodsOf(declaration: ts.ClassDeclaration | undefined): readonly string[] {
  return [...(declaration?.members ?? [])]
    .filter(ts.isMethodDeclaration)
    .filter((method) => !(ts.getModifiers(method) ?? []).some(isHidden))
    .map(({ name }) => (ts.isIdentifier(name) ? name.text : ''))
    .filter((name) => name !== '')
}

function isHidden({ kind }: ts.Modifier): boolean {
  return [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword, ts.SyntaxKind.StaticKeyword].includes(
    kind,
  )
}

function checkOperations(tree: SourceTree): readonly string[] {
  const listed = new Set(tableRowsOf(tree, FAULTS).flatMap(({ cells }) => quotedIn(cells[0] ?? '')))
  const operations = operationsOf(tree)
  return [
    ...operations
      .filter((operation) => !listed.has(operation))
      .map((operation) => `${FAULTS}: say what ${operation} does under each fault.`),
    ...[...listed]
      .filter((operation) => !operations.includes(operation))
      .map((operation) => `${FAULTS}: there is no ${operation}; delete it.`),
  ]
}

function checkFaults(tree: SourceTree): readonly string[] {
  return tableRowsOf(tree, FAULTS).flatMap(({ cells: [, ...faults], line }) =>
    faults.flatMap((cell) => {
      const place = `${FAULTS}:${line}`
      const named = quotedIn(cell)
      if (named.length > 0) return missingTests(tree, named, place)
      return /^– \S/.test(cell)
        ? []
        : [`${place}: name the test of each fault, or say after a dash why there is none.`]
    }),
  )
}

/** Guarantees, faults and tests, both ways. */
export const guaranteeRules: readonly Rule[] = [
  {
    title: 'every guarantee names the test that shows it',
    check: checkGuarantees,
    counterexample: {
      [GUARANTEES]: '| promise | test |\n| --- | --- |\n| exact | `it is exact` |\n| fast | `it is fast` |',
      'test/a.test.ts': `test('it is exact', run)`,
    },
    finds: 'docs/guarantees.md:4: no test is called “it is fast”',
  },
  {
    title: 'a guarantee that bears “(faults)” is shown by npm run test:faults alone',
    check: checkRuns,
    counterexample: {
      [GUARANTEES]: '| promise | test |\n| --- | --- |\n| exact | `it is exact` (faults) |',
      'test/runs.json': '{"faults":["test/faults/**/*.test.ts"]}',
      'test/a.test.ts': `test('it is exact', run)`,
    },
    finds: 'docs/guarantees.md:3: “(faults)” stands behind',
  },
  {
    title: 'every test of a fault, of all backends and of the frameworks shows a guarantee',
    check: checkPromisingTests,
    counterexample: {
      [GUARANTEES]: '| promise | test |\n| --- | --- |\n| exact | `it is exact` |',
      'test/faults/a.test.ts': `test('it is exact', run)\nit.each([1])('%s is lost', run)`,
    },
    finds: 'test/faults/a.test.ts:2: “… is lost” shows no promise',
  },
  {
    title: 'every operation stands in docs/faults.md, and each that stands there exists',
    check: checkOperations,
    counterexample: {
      [FAULTS]: '| operation | killed |\n| --- | --- |\n| `Stock.adjust` | – it is not |',
      'packages/a/src/stock.ts': 'export class Stock { adjust() {} transfer() {} close() {} }',
    },
    finds: 'docs/faults.md: say what Stock.transfer does under each fault.',
  },
  {
    title: 'every fault of docs/faults.md names the test that shows it',
    check: checkFaults,
    counterexample: { [FAULTS]: '| operation | killed |\n| --- | --- |\n| `Stock.adjust` | |' },
    finds: 'docs/faults.md:3: name the test of each fault',
  },
]
