/** Fills in the tables of options and errors in every README: `npx tsx test/tidy/write-readme-tables.ts`. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readmesOf } from './readme-tables.js'
import { readTree } from './source-tree.js'

const root = join(import.meta.dirname, '..', '..')
const { texts, faults } = readmesOf(readTree(root))
for (const fault of faults) console.error(fault)
for (const [path, text] of texts) writeFileSync(join(root, path), text)
process.exitCode = faults.length === 0 ? 0 : 1
