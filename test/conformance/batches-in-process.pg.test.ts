import { inProcess } from '@kerp/worker-pool'
import { describe } from 'vitest'
import { batchConformance } from './batches.js'

describe('Batches by claims alone', () => batchConformance(() => inProcess({ pollMs: 50 })))
