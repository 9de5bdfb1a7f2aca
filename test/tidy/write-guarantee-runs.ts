/** Marks the tests of docs/guarantees.md that only `npm run test:faults` runs: `npx tsx test/tidy/write-guarantee-runs.ts`. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withRuns } from './guarantee-rules.js'
import { readTree } from './source-tree.js'

const ROOT = join(import.meta.dirname, '..', '..')
const FILE = 'docs/guarantees.md'

const tree = readTree(ROOT)
const rows = (tree.get(FILE) ?? '').split('\n')
const written = rows.map((row) => (row.startsWith('|') ? withRuns(tree, row) : row)).join('\n')
writeFileSync(join(ROOT, FILE), written)
