/** Documents lead somewhere: their links, and the paths that they name. */

import { posix } from 'node:path'
import { pathsOf, type Rule, type SourceTree } from './source-tree.js'

const DOCUMENT = /\.md$/
const LINK = /\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g
const NAMED_PATH = /`((?:packages|examples|test|docs|scripts|bench|\.ci)\/[\w./-]+)`/g

function exists(tree: SourceTree, path: string): boolean {
  const folder = path.endsWith('/') ? path : `${path}/`
  return tree.has(path) || [...tree.keys()].some((other) => other.startsWith(folder))
}

function checkReferences(
  tree: SourceTree,
  reference: RegExp,
  target: (document: string, named: string) => string,
): readonly string[] {
  return pathsOf(tree, DOCUMENT).flatMap((document) =>
    (tree.get(document) ?? '').split('\n').flatMap((line, index) =>
      [...line.matchAll(reference)]
        .map(([, named = '']) => named)
        .filter((named) => !exists(tree, target(document, named)))
        .map((named) => `${document}:${index + 1}: there is no ${named}; name what there is.`),
    ),
  )
}

/** Links and paths. */
export const documentRules: readonly Rule[] = [
  {
    title: 'every link between documents leads somewhere',
    check: (tree) =>
      checkReferences(tree, LINK, (document, named) => posix.join(posix.dirname(document), named)),
    counterexample: { 'docs/keys.md': '# Keys', 'docs/a.md': '[keys](keys.md)\n[errors](errors.md)' },
    finds: 'docs/a.md:2: there is no errors.md',
  },
  {
    title: 'every path that a document names is there',
    check: (tree) => checkReferences(tree, NAMED_PATH, (_document, named) => named),
    counterexample: { 'README.md': 'Start at\n`examples/erp/src/main.ts`.' },
    finds: 'README.md:2: there is no examples/erp/src/main.ts',
  },
]
