/** Every package's README has its options and errors, as the code has them. */

import ts from 'typescript'
import { interfacesShownBy, readmesOf } from './readme-tables.js'
import { nodesOf, packagesOf, parse, pathsOf, type Rule, type SourceTree } from './source-tree.js'

function checkTables(tree: SourceTree): readonly string[] {
  const { texts, faults } = readmesOf(tree)
  const stale = [...texts].filter(([path, text]) => tree.get(path) !== text).map(([path]) => path)
  return [
    ...faults,
    ...stale.map(
      (path) => `${path}: a table is not what the code says; run test/tidy/write-readme-tables.ts.`,
    ),
  ]
}

/** `X` of each exported `XOptions`, where `X` is an exported class: what a user constructs. */
function checkEveryClass(tree: SourceTree): readonly string[] {
  return packagesOf(tree).flatMap((folder) => {
    const exported = new Set(
      pathsOf(tree, new RegExp(`^packages/${folder}/src/(?:index|browser|bullmq)\\.ts$`)).flatMap((path) =>
        nodesOf(parse(tree, path))
          .filter(ts.isExportSpecifier)
          .map(({ name }) => name.text),
      ),
    )
    const classes = new Set(
      pathsOf(tree, new RegExp(`^packages/${folder}/src/.*\\.ts$`)).flatMap((path) =>
        parse(tree, path)
          .statements.filter(ts.isClassDeclaration)
          .map(({ name }) => name?.text),
      ),
    )
    const readme = `packages/${folder}/README.md`
    const shown = interfacesShownBy(tree, readme)
    return [...exported]
      .filter((name) => name.endsWith('Options') && classes.has(name.slice(0, -'Options'.length)))
      .filter((name) => !shown.includes(name))
      .map(
        (name) => `${readme}: add a table that begins with “| option of \`${name}\` | default | meaning |”.`,
      )
  })
}

/** Options, errors. */
export const readmeRules: readonly Rule[] = [
  {
    title: 'tables of options and errors in a README say what the code says',
    check: checkTables,
    counterexample: {
      'packages/core/src/a.ts':
        'export interface AOptions {\n  /** How long, in ms. @defaultValue 1_000 */\n  readonly ttlMs?: number\n}',
      'packages/core/README.md':
        '| option of `AOptions` | default | meaning |\n| --- | --- | --- |\n| `ttlMs` | 500 | How long, in ms. |',
    },
    finds: 'packages/core/README.md: a table is not what the code says',
  },
  {
    title: 'the options of every class that users construct are in its README',
    check: checkEveryClass,
    counterexample: {
      'packages/core/src/index.ts': `export { Repeater, type RepeaterOptions } from './repeater.js'`,
      'packages/core/src/repeater.ts': 'export class Repeater {}',
      'packages/core/README.md': '# @kerp/core',
    },
    finds: 'packages/core/README.md: add a table that begins with “| option of `RepeaterOptions`',
  },
]
