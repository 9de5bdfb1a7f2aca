/** The files of the project as the rules see them, whether read from the disk or written in a test. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative, sep } from 'node:path'
import ts from 'typescript'

/** Text by path from the root, with forward slashes. */
export type SourceTree = ReadonlyMap<string, string>

/** Finds what is wrong; each finding is one sentence that starts with a path and says what to do. */
export type Check = (tree: SourceTree) => readonly string[]

/** One rule with the smallest project that breaks it, so that no rule can pass by looking at nothing. */
export interface Rule {
  readonly title: string
  readonly check: Check
  /** Files that break the rule. */
  readonly counterexample: Readonly<Record<string, string>>
  /** What the finding about them must contain. */
  readonly finds: string
}

const IGNORED_FOLDERS = new Set(['node_modules', 'dist', 'coverage', '.git', '.kerp'])
// In a second work tree of a repository, `.git` is a file.
const IGNORED_FILES = /^\.git$|\.(?:tgz|log|gz|png|ico|woff2)$|\.bundled_\w+\.mjs$/

/** Reads everything that could be committed, committed or not. */
export function readTree(root: string): SourceTree {
  const files = new Map<string, string>()
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory() && !IGNORED_FOLDERS.has(entry.name)) visit(path)
      if (entry.isFile() && !IGNORED_FILES.test(entry.name)) {
        files.set(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'))
      }
    }
  }
  visit(root)
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The paths that match, in order. */
export function pathsOf(tree: SourceTree, pattern: RegExp): readonly string[] {
  return [...tree.keys()].filter((path) => pattern.test(path))
}

/** Sources of the published packages. */
export const PACKAGE_SOURCE = /^packages\/[^/]+\/src\/.*\.ts$/

/** All code that people read: packages, example, benches, tests. */
export const ANY_SOURCE = /^(?:packages|examples|bench|test)\/.*\.ts$|^[^/]+\.config\.ts$/

/** The package folder's name that a path lies in, or undefined. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

/** Names of the package folders. */
export function packagesOf(tree: SourceTree): readonly string[] {
  return [...new Set([...tree.keys()].flatMap((path) => packageOf(path) ?? []))]
}

/** What the rules need of a package.json. */
export interface Manifest {
  readonly name?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The package.json of a package folder; empty when there is none. */
export function manifestOf(tree: SourceTree, packageFolder: string): Manifest {
  return JSON.parse(tree.get(`packages/${packageFolder}/package.json`) ?? '{}') as Manifest
}

const parsedByText = new Map<string, ts.SourceFile>()

/** The syntax tree of a file. */
export function parse(tree: SourceTree, path: string): ts.SourceFile {
  const text = tree.get(path) ?? ''
  const key = `${path}\n${text}`
  const known = parsedByText.get(key)
  if (known !== undefined) return known
  const parsed = ts.createSourceFile(basename(path), text, ts.ScriptTarget.ES2022, true)
  parsedByText.set(key, parsed)
  return parsed
}

const nodesByRoot = new WeakMap<ts.Node, readonly ts.Node[]>()

/** Every node below `root`, itself included, in order. */
export function nodesOf(root: ts.Node): readonly ts.Node[] {
  const known = nodesByRoot.get(root)
  if (known !== undefined) return known
  const nodes: ts.Node[] = []
  const visit = (node: ts.Node): void => {
    nodes.push(node)
    ts.forEachChild(node, visit)
  }
  visit(root)
  nodesByRoot.set(root, nodes)
  return nodes
}

/** Where a node stands, for a message: `path:line`. */
export function placeOf(path: string, node: ts.Node): string {
  const file = node.getSourceFile()
  return `${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`
}

/** One import, re-export, dynamic import or import type of a file. */
export interface Import {
  readonly specifier: string
  readonly node: ts.Node
}

/** Every module that a file names, for its values or only for its types. */
export function importsOf(tree: SourceTree, path: string): readonly Import[] {
  return nodesOf(parse(tree, path)).flatMap((node) => {
    const specifier = moduleNamedBy(node)
    return specifier !== undefined && ts.isStringLiteralLike(specifier)
      ? [{ specifier: specifier.text, node }]
      : []
  })
}

function moduleNamedBy(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  if (!ts.isCallExpression(node)) return undefined
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require'
  return isImport || isRequire ? node.arguments[0] : undefined
}

/** `@scope/name` or `name` of a specifier that names a package; undefined for files and Node's own modules. */
export function packageNamedBy(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
