/** What is no option or registry is refused in words, and no error of the language comes out. */

import { createMetrics } from '@kerp/metrics'
import { refusedInWords } from '../support/refused-in-words.js'

refusedInWords([
  ['metrics without options', (wrong) => createMetrics(wrong), undefined, 'options'],
  ['metrics without a registry', (wrong) => createMetrics(wrong), {}, 'registry'],
  ['metrics of something else', (wrong) => createMetrics(wrong), { registry: {} }, 'registry'],
])
