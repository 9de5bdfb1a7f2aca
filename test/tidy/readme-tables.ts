/**
 * Tables of the packages' READMEs that say again what stands elsewhere: options and their defaults in the docstrings
 * of an interface, errors in docs/errors.md. A heading row asks for one, and `write-readme-tables.ts` fills it in.
 */

import ts from 'typescript'
import { tableRowsOf } from './markdown.js'
import { packageOf, parse, pathsOf, type SourceTree } from './source-tree.js'

const README = /^packages\/[^/]+\/README\.md$/
const OPTIONS_HEADING = /^\| option of `(\w+)` \| default \| meaning \|$/
const ERRORS_HEADING = /^\| error of `@kerp\/([a-z-]+)` \| repeat\? \| meaning \|$/
const ERRORS = 'docs/errors.md'

/** What ports are, wherever they stand without a sentence of their own. */
const PORTS: Readonly<Record<string, { readonly meaning: string; readonly fallback: string }>> = {
  redis: { meaning: 'A client of Redis. Never closed here.', fallback: 'none' },
  keys: { meaning: 'Builds the names of keys: `createKeys()`.', fallback: '`createKeys()`' },
  observer: { meaning: 'Hears what happens; metrics are one.', fallback: 'none' },
  clock: { meaning: 'Time; a manual one in tests.', fallback: "the system's" },
  pool: { meaning: 'A `pg.Pool` that reaches the primary. Never closed here.', fallback: 'none' },
  schema: { meaning: 'The schema that `migrate` made.', fallback: '`kerp`' },
  random: { meaning: 'Chance; a seeded one in tests.', fallback: "the system's" },
}

/** A table that was asked for, and what is missing to write it. */
interface Table {
  readonly rows: readonly string[]
  readonly faults: readonly string[]
}

/** The READMEs as they should be, by path, and what keeps them from being written. */
export function readmesOf(tree: SourceTree): {
  readonly texts: ReadonlyMap<string, string>
  readonly faults: readonly string[]
} {
  const faults: string[] = []
  const texts = pathsOf(tree, README).map((path) => {
    const lines = (tree.get(path) ?? '').split('\n')
    const written = lines.flatMap((line, index): readonly string[] => {
      const table = tableAt(tree, path, line)
      if (table === undefined) return isInTable(tree, path, lines, index) ? [] : [line]
      faults.push(...table.faults)
      return [line, '| --- | --- | --- |', ...table.rows]
    })
    return [path, written.join('\n')] as const
  })
  return { texts: new Map(texts), faults }
}

/** Names of the interfaces that a README shows. */
export function interfacesShownBy(tree: SourceTree, readme: string): readonly string[] {
  const lines = (tree.get(readme) ?? '').split('\n')
  return lines.flatMap((line) => OPTIONS_HEADING.exec(line)?.[1] ?? [])
}

function tableAt(tree: SourceTree, path: string, line: string): Table | undefined {
  const [, options] = OPTIONS_HEADING.exec(line) ?? []
  if (options !== undefined) return optionsTable(tree, packageOf(path) ?? '', options)
  const [, errors] = ERRORS_HEADING.exec(line) ?? []
  return errors === undefined ? undefined : errorsTable(tree, errors)
}

/** Whether a line belongs to a table whose heading was one of ours, and is written anew with it. */
function isInTable(tree: SourceTree, path: string, lines: readonly string[], index: number): boolean {
  if (lines[index]?.startsWith('|') !== true) return false
  let first = index
  while (lines[first - 1]?.startsWith('|') === true) first -= 1
  return tableAt(tree, path, lines[first] ?? '') !== undefined
}

function optionsTable(tree: SourceTree, folder: string, name: string): Table {
  const members = membersOf(interfacesOf(tree, folder), name)
  const faults = members.length === 0 ? [`packages/${folder}/README.md: there is no interface ${name}.`] : []
  const rows = members.map((member) => {
    const { option, meaning, fallback } = describe(member)
    if (meaning === '')
      faults.push(`packages/${folder}: ${name}.${option} has no docstring; write its contract.`)
    return `| \`${option}\` |${fallback === '' ? '' : ` ${fallback}`} | ${meaning.replaceAll('|', '\\|')} |`
  })
  return { rows, faults }
}

function errorsTable(tree: SourceTree, folder: string): Table {
  const lines = (tree.get(ERRORS) ?? '').split('\n')
  const from = lines.indexOf(`## @kerp/${folder}`)
  const to = lines.findIndex((line, index) => index > from && line.startsWith('##'))
  const rows = tableRowsOf(tree, ERRORS)
    .filter(({ line }) => from >= 0 && line > from && (to < 0 || line <= to))
    .map(
      ({ cells: [code = '', , retryable = '', meaning = ''] }) => `| ${code} | ${retryable} | ${meaning} |`,
    )
  return { rows, faults: rows.length === 0 ? [`${ERRORS} has no errors of @kerp/${folder}.`] : [] }
}

/** Interfaces of a package by name. */
function interfacesOf(tree: SourceTree, folder: string): ReadonlyMap<string, ts.InterfaceDeclaration> {
  const declarations = pathsOf(tree, new RegExp(`^packages/${folder}/src/.*\\.ts$`)).flatMap((path) =>
    parse(tree, path).statements.filter(ts.isInterfaceDeclaration),
  )
  return new Map(declarations.map((declaration) => [declaration.name.text, declaration]))
}

/** Its own members, then those of what it extends. */
function membersOf(
  interfaces: ReadonlyMap<string, ts.InterfaceDeclaration>,
  name: string,
): readonly ts.PropertySignature[] {
  const declaration = interfaces.get(name)
  if (declaration === undefined) return []
  const extended = (declaration.heritageClauses ?? []).flatMap(({ types }) => types)
  return [
    ...declaration.members.filter(ts.isPropertySignature),
    ...extended.flatMap((type) => inheritedFrom(interfaces, type)),
  ]
}

/** All members of a named interface, or those that `Pick` takes of it. */
function inheritedFrom(
  interfaces: ReadonlyMap<string, ts.InterfaceDeclaration>,
  type: ts.ExpressionWithTypeArguments,
): readonly ts.PropertySignature[] {
  const base = type.expression.getText()
  if (base !== 'Pick') return membersOf(interfaces, base)
  const [picked, names] = type.typeArguments ?? []
  return membersOf(interfaces, picked?.getText() ?? '').filter(({ name }) =>
    names?.getText().includes(`'${name.getText()}'`),
  )
}

function describe(member: ts.PropertySignature) {
  const option = member.name.getText()
  const [doc] = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc)
  const tag = doc?.tags?.find(({ tagName }) => tagName.text === 'defaultValue')
  const [text, given] = [doc?.comment, tag?.comment].map(oneLine)
  const port = PORTS[option]
  const meaning = text === '' ? (port?.meaning ?? '') : (text ?? '')
  if (member.questionToken === undefined) return { option, meaning, fallback: '' }
  return { option, meaning, fallback: given ? asDefault(given) : (port?.fallback ?? 'none') }
}

function oneLine(comment: ts.JSDoc['comment']): string {
  return (ts.getTextOfJSDocComment(comment) ?? '').replace(/\s+/g, ' ').trim()
}

/** Numbers as people write them, code as code. */
function asDefault(text: string): string {
  const readable = text.replace(/(?<=\d)_(?=\d)/g, ',')
  return /^(?:'.*'|true|false|\w+\(\))$/.test(readable) ? `\`${readable}\`` : readable
}
