/** What a package shows: one list of names, each with its contract. */

import ts from 'typescript'
import {
  nodesOf,
  PACKAGE_SOURCE,
  packagesOf,
  parse,
  pathsOf,
  placeOf,
  type Rule,
  type SourceTree,
} from './source-tree.js'

function checkOneIndex(tree: SourceTree): readonly string[] {
  return packagesOf(tree).flatMap((name) => {
    const wanted = `packages/${name}/src/index.ts`
    const indexes = pathsOf(tree, new RegExp(`^packages/${name}/.*\\bindex\\.ts$`))
    const inner = indexes.filter((path) => path !== wanted)
    const missing = indexes.includes(wanted) ? [] : [`${wanted}: list the package's names here.`]
    return [...missing, ...inner.map((path) => `${path}: only src/index.ts lists names; import the files.`)]
  })
}

function checkIndexOnlyLists(tree: SourceTree): readonly string[] {
  return pathsOf(tree, /^packages\/[^/]+\/src\/index\.ts$/).flatMap((path) =>
    parse(tree, path)
      .statements.filter((statement) => !(ts.isExportDeclaration(statement) && statement.exportClause))
      .map(
        (statement) =>
          `${placeOf(path, statement)}: index.ts only lists names; move this to a file of its own.`,
      ),
  )
}

function checkExportStar(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) =>
    parse(tree, path)
      .statements.filter((statement) => ts.isExportDeclaration(statement))
      .filter(({ exportClause }) => exportClause === undefined || ts.isNamespaceExport(exportClause))
      .map((statement) => `${placeOf(path, statement)}: list the names instead of \`export *\`.`),
  )
}

function checkHeaders(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE)
    .filter((path) => !path.endsWith('/index.ts'))
    .filter((path) => !/^\/[/*]/.test(tree.get(path) ?? ''))
    .map((path) => `${path}:1: begin with a sentence that says what the file is for.`)
}

function checkDocstrings(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) => {
    const documented = new Set<string>()
    return parse(tree, path).statements.flatMap((statement) => {
      const names = exportedNamesOf(statement)
      if (hasDocstring(statement)) for (const name of names) documented.add(name)
      return names
        .filter((name) => !documented.has(name))
        .map(
          (name) =>
            `${placeOf(path, statement)}: ${name} is exported without a docstring; write its contract.`,
        )
    })
  })
}

function exportedNamesOf(statement: ts.Statement): readonly string[] {
  if (!ts.canHaveModifiers(statement)) return []
  const isExported = ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  if (isExported !== true) return []
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isEnumDeclaration(statement)
  return isNamed ? [statement.name?.text ?? 'default'] : []
}

function hasDocstring(statement: ts.Statement): boolean {
  const text = statement.getSourceFile().text
  const comments = ts.getLeadingCommentRanges(text, statement.getFullStart()) ?? []
  return comments.some(({ pos }) => text.startsWith('/**', pos))
}

function checkErrorNames(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter(ts.isClassDeclaration)
      .flatMap((node) => {
        const className = node.name?.text ?? ''
        const extended = node.heritageClauses?.[0]?.types[0]?.expression.getText() ?? ''
        // Test doubles imitate the plain errors of what they stand for.
        if (!className.endsWith('Error') || !/\wError$/.test(extended)) return []
        const literal = errorNameOf(node)
        if (literal === className) return []
        return [`${placeOf(path, node)}: declare \`static override readonly errorName = '${className}'\`.`]
      }),
  )
}

function errorNameOf(node: ts.ClassDeclaration): string | undefined {
  for (const member of node.members) {
    const isErrorName = ts.isPropertyDeclaration(member) && member.name.getText() === 'errorName'
    if (isErrorName && member.initializer && ts.isStringLiteral(member.initializer))
      return member.initializer.text
  }
  return undefined
}

function checkUndefined(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter((node) => ts.isPropertySignature(node) || ts.isMethodSignature(node))
      .filter((node) => node.questionToken !== undefined && !takesUndefined(node))
      .map((node) => {
        const name = node.name.getText()
        return `${placeOf(path, node)}: write \`readonly ${name}?: … | undefined\`; with exactOptionalPropertyTypes a caller's undefined is refused.`
      }),
  )
}

function takesUndefined(node: ts.PropertySignature | ts.MethodSignature): boolean {
  if (ts.isMethodSignature(node) || node.type === undefined) return false
  const { type } = node
  const members = ts.isUnionTypeNode(type) ? type.types : [type]
  return members.some(({ kind }) => TAKES_UNDEFINED.has(kind))
}

const TAKES_UNDEFINED = new Set([ts.SyntaxKind.UndefinedKeyword, ts.SyntaxKind.UnknownKeyword])

/** Index files, headers, docstrings, what may be left out, names of errors. */
export const exportRules: readonly Rule[] = [
  {
    title: 'each package has exactly one index.ts',
    check: checkOneIndex,
    counterexample: { 'packages/core/src/index.ts': '', 'packages/core/src/time/index.ts': '' },
    finds: 'packages/core/src/time/index.ts: only src/index.ts lists names',
  },
  {
    title: 'index.ts only lists names',
    check: checkIndexOnlyLists,
    counterexample: { 'packages/core/src/index.ts': `export { a } from './a.js'\nexport const b = 1` },
    finds: 'packages/core/src/index.ts:2: index.ts only lists names',
  },
  {
    title: 'names are exported one by one',
    check: checkExportStar,
    counterexample: { 'packages/core/src/testing.ts': `export * from './a.js'` },
    finds: 'packages/core/src/testing.ts:1: list the names',
  },
  {
    title: 'each file begins by saying what it is for',
    check: checkHeaders,
    counterexample: { 'packages/core/src/a.ts': `import { b } from './b.js'` },
    finds: 'packages/core/src/a.ts:1: begin with a sentence',
  },
  {
    title: 'each exported name has a docstring',
    check: checkDocstrings,
    counterexample: {
      'packages/core/src/a.ts': '/** Header. */\n\n/** A. */\nexport const a = 1\nexport class B {}',
    },
    finds: 'packages/core/src/a.ts:5: B is exported without a docstring',
  },
  {
    title: 'whatever may be left out may be undefined',
    check: checkUndefined,
    counterexample: {
      'packages/core/src/a.ts':
        'interface A {\n  readonly a?: number | undefined\n  readonly b?: unknown\n  readonly ttlMs?: number\n  hear?(): void\n}',
    },
    finds:
      "packages/core/src/a.ts:4: write `readonly ttlMs?: … | undefined`; with exactOptionalPropertyTypes a caller's undefined is refused.\npackages/core/src/a.ts:5: write `readonly hear?",
  },
  {
    title: 'each error carries its own name as a literal',
    check: checkErrorNames,
    counterexample: {
      'packages/core/src/errors.ts': `class LostError extends KerpError { static readonly errorName = 'Lost' }`,
    },
    finds: `packages/core/src/errors.ts:1: declare \`static override readonly errorName = 'LostError'\``,
  },
]
