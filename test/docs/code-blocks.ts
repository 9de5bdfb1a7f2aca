/**
 * The code that people copy: fences of the documents and `@example`s of docstrings.
 *
 * Every ```ts fence is compiled. It is run as well if it is marked ```ts run or shows a result: `value // => 7n`
 * compares the value, `console.log(…) // => text`, or a line
 * `// => text` of its own, compares what the block prints. An `@example` is compiled with
 * the names of its package imported, and run if it shows a result as `value // 7n`.
 */

import ts from 'typescript'
import {
  nodesOf,
  PACKAGE_SOURCE,
  packageOf,
  packagesOf,
  parse,
  pathsOf,
  type SourceTree,
} from '../tidy/source-tree.js'
import { declares, identifiersIn, needsPrelude } from './prelude.js'

/** One piece of code with the place it stands at. */
export interface CodeBlock {
  /** `path:line` of its first line. */
  readonly place: string
  /** As it stands, with the imports that an `@example` leaves out. */
  readonly code: string
  /** What is run, with results turned into comparisons; undefined when it is only compiled. */
  readonly program: string | undefined
  /** What the program must print, line by line; undefined when it shows nothing. */
  readonly prints: string | undefined
}

const DOCUMENT = /^(?:[^/]+|docs\/.+|packages\/[^/]+\/README|examples\/.+)\.md$/
const FENCE = /^```ts( run)?\n(.*?)^```$/gms
const PRINTED = /^\s*(?:console\.log\(.*\) )?\/\/ => (.*)$/
const SHOWN = /^(\s*)(?:(const \w+) = )?(.+?);? \/\/ => (.+)$/

/** The fences of README.md, docs/ and the packages' READMEs. */
export function blocksOfDocuments(tree: SourceTree): readonly CodeBlock[] {
  return pathsOf(tree, DOCUMENT).flatMap((path) => {
    const text = tree.get(path) ?? ''
    return [...text.matchAll(FENCE)].map(({ index, 1: run, 2: code = '' }) => {
      const line = text.slice(0, index).split('\n').length + 1
      return blockOf(`${path}:${line}`, code, run !== undefined || code.includes('// =>'))
    })
  })
}

function blockOf(place: string, code: string, isRun: boolean): CodeBlock {
  const lines = code.split('\n')
  const printed = lines.flatMap((line) => PRINTED.exec(line)?.[1] ?? [])
  const program = lines
    .map((line) => (PRINTED.test(line) ? line : line.replace(SHOWN, comparison)))
    .join('\n')
  return {
    place,
    code,
    program: isRun
      ? `import { deepStrictEqual as expectShown } from 'node:assert/strict'\n${program}`
      : undefined,
    prints: isRun && printed.length > 0 ? printed.join('\n') : undefined,
  }
}

function comparison(
  _line: string,
  indent: string,
  declared: string | undefined,
  value: string,
  shown: string,
): string {
  if (declared === undefined) return `${indent};expectShown(${value}, ${shown})`
  return `${indent}${declared} = ${value}; expectShown(${declared.slice('const '.length)}, ${shown})`
}

/** The `@example`s of everything that the packages export. */
export function blocksOfDocstrings(tree: SourceTree): readonly CodeBlock[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) => {
    const file = parse(tree, path)
    const tags = nodesOf(file).flatMap((node) => ts.getJSDocTags(node))
    return [...new Set(tags)]
      .filter((tag) => tag.tagName.text === 'example')
      .map((tag) => {
        const line = file.getLineAndCharacterOfPosition(tag.getStart()).line + 1
        const text = ts.getTextOfJSDocComment(tag.comment)?.replace(/^```\w*\n|\n```$/g, '') ?? ''
        return exampleOf(tree, path, `${path}:${line}`, text)
      })
  })
}

// In docstrings a result may stand behind plain `//`; what is no literal is a remark.
const RESULT = /^(.*?) \/\/ (?:=> )?((?:-?\d|'|true$|false$|\[|\{ )[^…\n]*)$/gm

function exampleOf(tree: SourceTree, path: string, place: string, text: string): CodeBlock {
  const code = `${importsFor(tree, path, text)}${text.replace(RESULT, '$1 // => $2')}\n`
  return blockOf(place, code, code.includes('// => ') && !needsPrelude(text))
}

// An example uses what the packages export as its reader would after the editor added the imports.
function importsFor(tree: SourceTree, path: string, text: string): string {
  const own = packageOf(path)
  const missing = new Set([...identifiersIn(text)].filter((name) => !declares(text, name)))
  const folders = [...packagesOf(tree)].sort((a, b) => Number(b === own) - Number(a === own))
  return folders
    .flatMap((folder) => ['index', 'testing'].map((entry) => ({ folder, entry })))
    .map(({ folder, entry }) => {
      const names = exportedBy(tree, `packages/${folder}/src/${entry}.ts`).filter((name) =>
        missing.delete(name),
      )
      const from = entry === 'index' ? `@kerp/${folder}` : `@kerp/${folder}/${entry}`
      return names.length === 0 ? '' : `import { ${names.join(', ')} } from '${from}'\n`
    })
    .join('')
}

function exportedBy(tree: SourceTree, path: string): readonly string[] {
  return parse(tree, path).statements.flatMap((statement) => {
    if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause &&
      ts.isNamedExports(statement.exportClause)
    ) {
      return statement.exportClause.elements.map(({ name }) => name.text)
    }
    const isFunction = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)
    return isFunction && statement.name ? [statement.name.text] : []
  })
}
