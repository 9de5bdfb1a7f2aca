// The packed packages in projects of strangers: every TypeScript with every ioredis, each project compiled in every
// module mode and run as an ES module and as CommonJS on every Node.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCell } from './matrix-cell.mjs'
import { fetchNodes } from './node-versions.mjs'
import { buildPackages, packPackages } from './packages.mjs'
import { mapAtOnce } from './processes.mjs'

const TYPESCRIPTS = ['5.6.3', '5.9.3', '6.0.3', '7.0.2']
const IOREDISES = ['5.11.1', '6.0.0']
const NODES_WANTED = 4
const CELLS_AT_ONCE = 2

/** Runs the cells whose TypeScript or ioredis begins with one of `chosen`, or all, and resolves with an exit code. */
export async function runMatrix(chosen) {
  const begun = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'kerp-matrix-'))
  try {
    const { nodes, output } = await fetchNodes()
    const tarballs = join(folder, 'tarballs')
    mkdirSync(tarballs)
    if (!(await packed(tarballs))) return 1
    const results = await mapAtOnce(cellsOf(chosen), CELLS_AT_ONCE, (cell) =>
      runCell(cell, { folder, tarballs, nodes }),
    )
    const missing = nodes.length < NODES_WANTED ? [{ ok: false, name: 'Node', output }] : []
    return conclude(results, missing, performance.now() - begun)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function cellsOf(chosen) {
  const isChosen = (version) => chosen.length === 0 || chosen.some((each) => version.startsWith(each))
  return TYPESCRIPTS.flatMap((typescript) => IOREDISES.map((ioredis) => ({ typescript, ioredis }))).filter(
    ({ typescript, ioredis }) => isChosen(typescript) || isChosen(ioredis),
  )
}

async function packed(tarballs) {
  for (const step of [buildPackages, () => packPackages(tarballs)]) {
    const { code, output } = await step()
    if (code === 0) continue
    console.log(`${output.trimEnd()}\nThe packages could not be packed.`)
    return false
  }
  return true
}

function conclude(results, missing, tookMs) {
  const failures = [...missing]
  for (const { cell, checks } of results) {
    for (const check of checks.filter(({ ok }) => !ok)) {
      failures.push({
        ...check,
        name: `TypeScript ${cell.typescript}, ioredis ${cell.ioredis}, ${check.name}`,
      })
    }
  }
  for (const { name, output } of failures) console.log(`FAILED  ${name}\n${output.trimEnd()}\n`)
  printTable(results)
  const passed = results.reduce((sum, { checks }) => sum + checks.filter(({ ok }) => ok).length, 0)
  console.log(`in ${(tookMs / 1000).toFixed(0)} s`)
  console.log(`${passed} passed, ${failures.length} failed`)
  return failures.length === 0 && passed > 0 ? 0 : 1
}

/** A row for each cell, a column for each kind of check; of several checks of one kind the worst is shown. */
function printTable(results) {
  const columns = [...new Set(results.flatMap(({ checks }) => checks.map(({ column }) => column)))]
  const rows = [
    ['TypeScript', 'ioredis', ...columns],
    ...results.map(({ cell, checks }) => [
      cell.typescript,
      cell.ioredis,
      ...columns.map((column) => verdictOf(checks.filter((check) => check.column === column))),
    ]),
  ]
  const widths = rows[0].map((_, index) => Math.max(...rows.map((row) => row[index].length)))
  for (const row of rows)
    console.log(
      row
        .map((text, index) => text.padEnd(widths[index]))
        .join('  ')
        .trimEnd(),
    )
}

function verdictOf(checks) {
  if (checks.length === 0) return '–'
  return checks.every(({ ok }) => ok) ? 'ok' : 'FAILED'
}
