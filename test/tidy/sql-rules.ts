/** In SQL a bare name after ORDER BY is the output column of that name before it is a column of a table. */

import ts from 'typescript'
import { nodesOf, parse, pathsOf, placeOf, type Rule, type SourceTree } from './source-tree.js'

/** Everything that runs statements; the rules themselves only talk of them. */
const STATEMENTS = /^(?:packages|examples|bench|scripts|test\/(?!tidy))\/?.*\.[cm]?[jt]s$/

/** Stands for what a template puts in: its text is not known here. */
const PUT_IN = '\u0000'
const ORDERING = /\b(?:ORDER\s+BY\s+|DISTINCT\s+ON\s*\()/gi
const AFTER_THE_TERMS =
  /^(?:LIMIT|OFFSET|FETCH|FOR|ON|ROWS|RANGE|GROUPS|UNION|EXCEPT|INTERSECT|RETURNING|WINDOW)\b/i
/** Alone, or followed by a direction or a collation; whole words of SQL that begin an expression are none. */
const BARE_NAME = /^(?!(?:CASE|NULL|NOT|CAST|COALESCE|ARRAY|ROW|EXISTS)\b)("?)[a-z_]\w*\1(?![\w"]*\s*[.(])/i

function checkOrderings(tree: SourceTree): readonly string[] {
  return pathsOf(tree, STATEMENTS).flatMap((path) =>
    nodesOf(parse(tree, path)).flatMap((node) => {
      const text = textOf(node)
      if (text === undefined) return []
      return orderingTermsOf(text)
        .filter((term) => BARE_NAME.test(term) || term === PUT_IN)
        .map((term) => {
          const shown = term.replaceAll(PUT_IN, '${…}')
          return `${placeOf(path, node)}: ORDER BY ${shown}: write the table's name before it, or its place in the list.`
        })
    }),
  )
}

/** Text of a whole literal, once. */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (!ts.isTemplateExpression(node)) return undefined
  return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join(PUT_IN)
}

function orderingTermsOf(text: string): readonly string[] {
  return [...text.matchAll(ORDERING)].flatMap((match) => termsAt(text, match.index + match[0].length))
}

/** Divides at commas, and ends at the clause after it or at the bracket around it. */
function termsAt(text: string, start: number): readonly string[] {
  const terms: string[] = []
  let [begin, depth, at] = [start, 0, start]
  for (; at < text.length; at += 1) {
    const letter = text.charAt(at)
    if (depth === 0 && (letter === ')' || letter === ';')) break
    if (depth === 0 && /\s/.test(text.charAt(at - 1)) && AFTER_THE_TERMS.test(text.slice(at, at + 12))) break
    if (letter === '(') depth += 1
    if (letter === ')') depth -= 1
    if (letter !== ',' || depth > 0) continue
    terms.push(text.slice(begin, at))
    begin = at + 1
  }
  terms.push(text.slice(begin, at))
  return terms.map((term) => term.trim()).filter((term) => term !== '')
}

/** Statements in the sources of packages, example, benches and tests. */
export const sqlRules: readonly Rule[] = [
  {
    title: 'no ORDER BY takes the text that is shown for the number that is kept',
    check: checkOrderings,
    counterexample: {
      'packages/postgres/src/a.ts':
        'const a = `SELECT version::text AS version FROM ${schema}.line l\nORDER BY l.account, version DESC LIMIT 1`',
    },
    finds: "packages/postgres/src/a.ts:1: ORDER BY version DESC: write the table's name before it",
  },
  {
    title: 'no ORDER BY is of names that a template puts in bare',
    check: checkOrderings,
    counterexample: { 'test/a.pg.test.ts': 'const a = `SELECT 1 ORDER BY t.${name}, ${name} FOR UPDATE`' },
    finds: "test/a.pg.test.ts:1: ORDER BY ${…}: write the table's name before it",
  },
  {
    title: 'no DISTINCT ON chooses by the text that is shown',
    check: checkOrderings,
    counterexample: { 'examples/erp/src/a.ts': 'const a = \'SELECT DISTINCT ON (lower(t.a), "b") 1\'' },
    finds: 'examples/erp/src/a.ts:1: ORDER BY "b": write the table\'s name before it',
  },
]
