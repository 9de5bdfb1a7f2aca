/** Documents lead somewhere: their links, and the paths that they name. */

import { posix } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { pathsOf, type Rule, type SourceTree } from './source-tree.js'

// What api/ holds is made by a tool.
const DOCUMENT = /^(?!api\/).*\.md$/
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

/** Code blocks of a document, and where it stands in another language beside it. */
const BLOCK = /^```(?:ts|sh)[^\n]*\n.*?^```$/gms

function checkTranslations(tree: SourceTree): readonly string[] {
  return pathsOf(tree, /\.ko\.md$/).flatMap((path) => {
    const original = path.replace('.ko.md', '.md')
    const [translated, given] = [path, original].map(
      (document) => (tree.get(document) ?? '').match(BLOCK) ?? [],
    )
    return isDeepStrictEqual(translated, given)
      ? []
      : [`${path}: show the same code as ${original}, block by block.`]
  })
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
    title: 'a translated document shows the same code',
    check: checkTranslations,
    counterexample: { 'README.md': '```ts\nf(1)\n```', 'README.ko.md': '```ts\nf(2)\n```' },
    finds: 'README.ko.md: show the same code as README.md, block by block.',
  },
  {
    title: 'every path that a document names is there',
    check: (tree) => checkReferences(tree, NAMED_PATH, (_document, named) => named),
    counterexample: { 'README.md': 'Start at\n`examples/erp/src/main.ts`.' },
    finds: 'README.md:2: there is no examples/erp/src/main.ts',
  },
]
