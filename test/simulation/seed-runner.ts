/** A process that runs worlds: `seed-runner.ts FROM COUNT` prints what was wrong, and counts, as one JSON line. */

import { SimWorld } from './sim-world.js'

const [from = 1, count = 0] = process.argv.slice(2).map(Number)
const wrong: string[] = []
const answers = { l1: 0, redis: 0, database: 0 }
for (let seed = from; seed < from + count; seed += 1) {
  const evidence = new SimWorld(seed).run()
  answers.l1 += evidence.counts.l1
  answers.redis += evidence.counts.redis
  answers.database += evidence.counts.database
  for (const { atMs, what } of evidence.wrong) wrong.push(`seed ${seed} at ${atMs} ms: ${what}`)
}
process.stdout.write(`${JSON.stringify({ wrong: wrong.slice(0, 20), answers })}\n`)
