/** What is no option, value or signal is refused in words, and no error of the language comes out. */

import { Batches, CpuPool, createPool, defineBatch, fanOut, inProcess } from '@kerp/worker-pool'
import { refusedInWords } from '../support/refused-in-words.js'

const cpu = new CpuPool<number, number>({ entry: new URL('cpu-task-module.ts', import.meta.url) })
const pool = createPool({ name: 'p', concurrency: 1 })

refusedInWords([
  ['a pool of threads without options', (wrong) => new CpuPool(wrong), undefined, 'options'],
  ['batches without options', (wrong) => new Batches(wrong), undefined, 'options'],
  ['batches without a list', (wrong) => new Batches(wrong), {}, 'batches'],
  ['a batch of nothing', (wrong) => defineBatch(wrong), undefined, 'options'],
  ['a fan-out of nothing', (wrong) => fanOut(wrong, { deadlineMs: 1 }), undefined, 'sections'],
  ['a fan-out without options', (wrong) => fanOut({}, wrong), undefined, 'options'],
  ['a driver of null', (wrong) => inProcess(wrong), null, 'options'],
  ['run with null for options', (wrong) => cpu.run(1, wrong), null, 'options'],
  ['run with no signal', (wrong) => cpu.run(1, { signal: wrong }), 5, 'signal'],
  ['runMany without values', (wrong) => cpu.runMany(wrong), undefined, 'values'],
  ['a stop of null', (wrong) => cpu.stop(wrong), null, 'options'],
  ['a stop of a pool with null', (wrong) => pool.stop(wrong), null, 'options'],
])
