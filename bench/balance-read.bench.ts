/**
 * A thousand balances from one Redis: `BalanceCache.getMany` against what a service would write without it.
 *
 * The peers read the same registers through the same ioredis client, without any check of generation, version or
 * age: a pipeline of GETs, the same with its values parsed into integers, and one bare MGET. All contestants run in
 * turn on the same server, twenty reads at a time. The median is the read that a caller sees most often; the mean is
 * what a thousand of them take, with the garbage that each leaves to be collected.
 */

import { BalanceCache } from '@kerp/balance-cache'
import type { RegisterImage, RegisterRef, RegisterSource } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { formatWatermark, Registers } from '@kerp/registers'
import { mean, median, rounded } from './figures.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '60')
const WARM_UP_ROUNDS = 10
/** Reads of one contestant before the next one's turn: alone, each would pay for the garbage of the one before it. */
const READS_PER_TURN = 20
const BALANCES = 1_000
const COMPANY = 'bench'
const EPOCH = '7.1.1.1.1.1'

/** Rows whose totals have 13 to 15 digits; the bench reads each from it once, to fill the registers. */
const source: RegisterSource = {
  load: (_companyId, refs) =>
    Promise.resolve({ epoch: EPOCH, asOfMs: 1_767_225_600_000, images: refs.map(imageOf) }),
  list: () => Promise.resolve({ epoch: EPOCH, asOfMs: 1_767_225_600_000, images: [] }),
}

function imageOf(ref: RegisterRef): RegisterImage {
  const number = BigInt(ref.parts[0])
  return { ref, version: 7, fields: [String(number * 123_456_789_012n), String(number * 98_765_432_109n)] }
}

async function main(): Promise<void> {
  await using server = await openPrivateRedis()
  const redis = await connectRedis({ path: server.socketPath })
  const keys = createKeys()
  const position = {
    generation: '0123456789abcdef',
    epoch: EPOCH,
    position: '1:1:',
    asOfMs: 1_767_225_600_000,
  }
  await redis.set(keys.watermark(COMPANY), formatWatermark(position))
  // On a busy machine the default of 25 ms would hand reads to the database, which is not what is compared.
  const registers = new Registers({ redis, keys, source, redisDeadlineMs: 1_000 })
  const balances = new BalanceCache({ registers, source })
  const refs = Array.from({ length: BALANCES }, (_, index) => ({
    companyId: COMPANY,
    account: String(10_000 + index),
    fiscalYear: 2026,
  }))
  const names = refs.map((ref) => keys.balance(ref))
  await balances.getMany(refs)

  const pipelined = async (): Promise<readonly string[]> => {
    const pipeline = redis.pipeline()
    for (const name of names) pipeline.get(name)
    return ((await pipeline.exec()) ?? []).map(([, value]) => String(value))
  }
  let hits = 0
  const contestants: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['pipeline of GET', pipelined],
    [
      'pipeline of GET, parsed',
      async () => (await pipelined()).map((text) => text.split('|').slice(3).map(BigInt)),
    ],
    ['one bare MGET', () => redis.mget(names)],
    [
      'BalanceCache.getMany',
      async () => {
        const found = await balances.getMany(refs)
        hits += found.filter(({ source: from }) => from === 'redis').length
      },
    ],
    [
      'BalanceCache.getMany, every balance summed',
      async () => (await balances.getMany(refs)).reduce((sum, { balance }) => sum + balance, 0n),
    ],
  ]
  const times = new Map(contestants.map(([name]) => [name, [] as number[]]))
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const [name, read] of contestants) {
      for (let turn = 0; turn < READS_PER_TURN; turn += 1) {
        const beginMs = performance.now()
        await read()
        if (round >= WARM_UP_ROUNDS) times.get(name)?.push(performance.now() - beginMs)
      }
    }
  }
  await closeRedis(redis)
  report(times, hits === (WARM_UP_ROUNDS + ROUNDS) * READS_PER_TURN * BALANCES)
}

function report(measured: ReadonlyMap<string, readonly number[]>, allHits: boolean): void {
  const times = [...measured]
  const ratios = (figure: (values: readonly number[]) => number, peer: string): readonly number[] => {
    const peerMs = figure(measured.get(peer) ?? [])
    return times.map(([, values]) => rounded(peerMs / figure(values)))
  }
  const [medianRatios, meanRatios] = [median, mean].map((figure) => ratios(figure, 'pipeline of GET'))
  const parsedRatios = ratios(median, 'pipeline of GET, parsed')
  const figures = times.map(([name, values], index) => ({
    name,
    medianMs: rounded(median(values), 3),
    meanMs: rounded(mean(values), 3),
    timesFasterThanPipeline: medianRatios?.[index],
    inTheMean: meanRatios?.[index],
    timesFasterThanParsed: parsedRatios[index],
  }))
  console.table(figures)
  console.log(JSON.stringify({ bench: 'balance-read', balances: BALANCES, rounds: ROUNDS, allHits, figures }))
  if (!allHits) process.exitCode = 1
}

await main()
