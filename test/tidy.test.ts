/** The linter of the architecture: what reviewers would otherwise have to remember. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { banRules } from './tidy/ban-rules.js'
import { documentRules } from './tidy/document-rules.js'
import { exportRules } from './tidy/export-rules.js'
import { guaranteeRules } from './tidy/guarantee-rules.js'
import { layerRules } from './tidy/layer-rules.js'
import { manifestRules } from './tidy/manifest-rules.js'
import { patternRules } from './tidy/pattern-rules.js'
import { placeRules } from './tidy/place-rules.js'
import { readmeRules } from './tidy/readme-rules.js'
import { registerRules } from './tidy/register-rules.js'
import { sizeRules } from './tidy/size-rules.js'
import { readTree } from './tidy/source-tree.js'
import { sqlRules } from './tidy/sql-rules.js'

const rules = [
  ...layerRules,
  ...manifestRules,
  ...exportRules,
  ...sizeRules,
  ...placeRules,
  ...banRules,
  ...registerRules,
  ...documentRules,
  ...guaranteeRules,
  ...patternRules,
  ...readmeRules,
  ...sqlRules,
]
/** In a full run the costly proofs about patterns are made as well. */
const PATIENCE = { timeout: 600_000 }
const project = readTree(join(import.meta.dirname, '..'))

describe('in this project', () => {
  for (const { title, check } of rules) {
    test(title, PATIENCE, () => {
      expect(check(project).join('\n')).toBe('')
    })
  }
})

describe('a project that breaks the rule is found out', () => {
  for (const { title, check, counterexample, finds } of rules) {
    test(title, () => {
      expect(check(new Map(Object.entries(counterexample))).join('\n')).toContain(finds)
    })
  }
})
