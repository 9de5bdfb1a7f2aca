/** The registers of docs/ and the code say the same: error codes, metrics. */

import ts from 'typescript'
import { quotedIn, tableRowsOf } from './markdown.js'
import {
  nodesOf,
  PACKAGE_SOURCE,
  parse,
  pathsOf,
  placeOf,
  type Rule,
  type SourceTree,
} from './source-tree.js'

const CODE = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/
const ERRORS = 'docs/errors.md'
const METRICS = 'docs/metrics.md'

/** Every error code of the packages with the place that makes it. */
function codesOf(tree: SourceTree): ReadonlyMap<string, string> {
  const codes = new Map<string, string>()
  for (const path of pathsOf(tree, PACKAGE_SOURCE)) {
    for (const node of nodesOf(parse(tree, path))) {
      for (const literal of codeLiteralsOf(node)) codes.set(literal.text, placeOf(path, literal))
    }
  }
  return codes
}

// A code is what is passed as `code`, what `code` defaults to, or what an error hands to its base class.
function codeLiteralsOf(node: ts.Node): readonly ts.StringLiteral[] {
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'code') return literalsBelow(node.initializer)
  const isDefault = ts.isParameter(node) || ts.isPropertyDeclaration(node)
  if (isDefault && node.name.getText() === 'code' && node.initializer) return literalsBelow(node.initializer)
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.SuperKeyword) {
    return node.arguments.flatMap((argument) => (ts.isStringLiteral(argument) ? literalsBelow(argument) : []))
  }
  return []
}

function literalsBelow(node: ts.Node): readonly ts.StringLiteral[] {
  return nodesOf(node)
    .filter(ts.isStringLiteral)
    .filter(({ text }) => CODE.test(text))
}

function checkCodesListed(tree: SourceTree): readonly string[] {
  const listed = new Set(tableRowsOf(tree, ERRORS).flatMap(({ cells }) => quotedIn(cells[0] ?? '')))
  return [...codesOf(tree)]
    .filter(([code]) => !listed.has(code))
    .map(([code, place]) => `${place}: list ${code} in ${ERRORS}.`)
}

function checkListedCodes(tree: SourceTree): readonly string[] {
  const codes = codesOf(tree)
  return tableRowsOf(tree, ERRORS).flatMap(({ cells, line }) =>
    quotedIn(cells[0] ?? '')
      .filter((code) => !codes.has(code))
      .map((code) => `${ERRORS}:${line}: nothing has the code ${code}; delete the row.`),
  )
}

function checkListedClasses(tree: SourceTree): readonly string[] {
  const classes = new Set(
    pathsOf(tree, PACKAGE_SOURCE).flatMap((path) =>
      nodesOf(parse(tree, path))
        .filter(ts.isClassDeclaration)
        .map(({ name }) => name?.text ?? ''),
    ),
  )
  return tableRowsOf(tree, ERRORS).flatMap(({ cells, line }) =>
    quotedIn(cells[1] ?? '')
      .filter((name) => !classes.has(name))
      .map((name) => `${ERRORS}:${line}: there is no class ${name}; name the one that has the code.`),
  )
}

const METRIC_NAME = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/
const METRIC_UNITS = /_(?:total|seconds|bytes|ratio|size|jobs|count|rows|companies|vouchers|info)$/

function metricsOf(tree: SourceTree): ReadonlyMap<string, string> {
  const metrics = new Map<string, string>()
  for (const path of pathsOf(tree, /^packages\/metrics\/src\/.*\.ts$/)) {
    for (const node of nodesOf(parse(tree, path))) {
      const isName = ts.isStringLiteral(node) && METRIC_NAME.test(node.text) && METRIC_UNITS.test(node.text)
      if (isName) metrics.set(node.text, placeOf(path, node))
    }
  }
  return metrics
}

function checkMetricsListed(tree: SourceTree): readonly string[] {
  const listed = new Set(tableRowsOf(tree, METRICS).flatMap(({ cells }) => metricNamesIn(cells[0] ?? '')))
  return [...metricsOf(tree)]
    .filter(([name]) => !listed.has(name))
    .map(([name, place]) => `${place}: list ${name} in ${METRICS}.`)
}

function checkListedMetrics(tree: SourceTree): readonly string[] {
  const metrics = metricsOf(tree)
  return tableRowsOf(tree, METRICS).flatMap(({ cells, line }) =>
    metricNamesIn(cells[0] ?? '')
      .filter((name) => !metrics.has(name))
      .map((name) => `${METRICS}:${line}: nothing reports ${name}; delete the row.`),
  )
}

// A row may name the labels beside the metric: `redis_operations_total{operation,status}`.
function metricNamesIn(cell: string): readonly string[] {
  return quotedIn(cell).map((text) => text.replace(/\{.*$/, ''))
}

const heading = '| code | class |\n| --- | --- |\n'

/** Error codes and metrics, both ways. */
export const registerRules: readonly Rule[] = [
  {
    title: 'every error code is in docs/errors.md',
    check: checkCodesListed,
    counterexample: {
      'packages/core/src/errors.ts': `class A extends B { constructor() { super('a', { code: 'A_LOST' }) } }`,
      [ERRORS]: `${heading}| \`CLOSED\` | \`ClosedError\` |`,
    },
    finds: 'packages/core/src/errors.ts:1: list A_LOST in docs/errors.md.',
  },
  {
    title: 'docs/errors.md lists no code that nothing has',
    check: checkListedCodes,
    counterexample: { [ERRORS]: `${heading}| \`CLOSED\` | \`ClosedError\` |` },
    finds: 'docs/errors.md:3: nothing has the code CLOSED',
  },
  {
    title: 'docs/errors.md names classes that exist',
    check: checkListedClasses,
    counterexample: { [ERRORS]: `${heading}| \`CLOSED\` | \`ClosedError\` |` },
    finds: 'docs/errors.md:3: there is no class ClosedError',
  },
  {
    title: 'every metric is in docs/metrics.md',
    check: checkMetricsListed,
    counterexample: { 'packages/metrics/src/metric-names.ts': `const name = 'relay_rows_total'` },
    finds: 'packages/metrics/src/metric-names.ts:1: list relay_rows_total in docs/metrics.md.',
  },
  {
    title: 'docs/metrics.md lists no metric that nothing reports',
    check: checkListedMetrics,
    counterexample: { [METRICS]: `| metric |\n| --- |\n| \`relay_rows_total{result}\` |` },
    finds: 'docs/metrics.md:3: nothing reports relay_rows_total',
  },
]
