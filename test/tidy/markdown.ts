/** Tables of the documents. */

import type { SourceTree } from './source-tree.js'

/** The cells of every table row below a heading row, with the row's line number. */
export function tableRowsOf(
  tree: SourceTree,
  path: string,
): readonly { cells: readonly string[]; line: number }[] {
  const lines = (tree.get(path) ?? '').split('\n')
  return lines.flatMap((text, index) => {
    const isRow = text.startsWith('|') && !/^\|[\s:|-]+\|$/.test(text)
    const isHeading = /^\|[\s:|-]+\|$/.test(lines[index + 1] ?? '')
    if (!isRow || isHeading) return []
    const cells = text.replace(/^\||\|\s*$/g, '').split(/(?<!\\)\|/)
    return [{ cells: cells.map((cell) => cell.trim()), line: index + 1 }]
  })
}

/** The texts between backticks. */
export function quotedIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '')
}
