/** How long a file and a function may be. */

import ts from 'typescript'
import { ANY_SOURCE, nodesOf, parse, pathsOf, placeOf, type Rule, type SourceTree } from './source-tree.js'

const FILE_LINES_MAX = 500
const FUNCTION_LINES_MAX = 70

const SCRIPT = /^scripts\/.*\.mjs$/
const RUNNING_SOURCE = /^(?:packages\/[^/]+\/src|examples\/[^/]+\/src|bench)\/.*\.ts$/

function linesOf(text: string): number {
  return text.trimEnd().split('\n').length
}

function checkFileLines(tree: SourceTree): readonly string[] {
  return [...pathsOf(tree, ANY_SOURCE), ...pathsOf(tree, SCRIPT)].flatMap((path) => {
    const lines = linesOf(tree.get(path) ?? '')
    return lines <= FILE_LINES_MAX ? [] : [`${path}: ${lines} lines, at most ${FILE_LINES_MAX}; split it.`]
  })
}

function checkFunctionLines(tree: SourceTree): readonly string[] {
  return [...pathsOf(tree, RUNNING_SOURCE), ...pathsOf(tree, SCRIPT)].flatMap((path) =>
    nodesOf(parse(tree, path))
      .filter(ts.isFunctionLike)
      .flatMap((node) => {
        const lines = linesOf(node.getText()) - linesOfTextIn(node)
        if (lines <= FUNCTION_LINES_MAX) return []
        return [
          `${placeOf(path, node)}: a function of ${lines} lines, at most ${FUNCTION_LINES_MAX}; split it.`,
        ]
      }),
  )
}

// SQL and Lua stand in templates; they are read as text, not as steps of the function.
function linesOfTextIn(node: ts.Node): number {
  if (ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node))
    return linesOf(node.getText()) - 1
  let lines = 0
  ts.forEachChild(node, (child) => void (lines += linesOfTextIn(child)))
  return lines
}

const longText = 'const line = 1\n'.repeat(FILE_LINES_MAX + 1)

/** Lengths of files and functions. */
export const sizeRules: readonly Rule[] = [
  {
    title: `no source file is longer than ${FILE_LINES_MAX} lines`,
    check: checkFileLines,
    counterexample: { 'packages/core/src/long.ts': longText },
    finds: `packages/core/src/long.ts: ${FILE_LINES_MAX + 1} lines`,
  },
  {
    title: `no function is longer than ${FUNCTION_LINES_MAX} lines`,
    check: checkFunctionLines,
    counterexample: {
      'packages/core/src/long.ts': `\nexport const long = () => {\n${'  work()\n'.repeat(FUNCTION_LINES_MAX)}}`,
    },
    finds: `packages/core/src/long.ts:2: a function of ${FUNCTION_LINES_MAX + 2} lines`,
  },
]
