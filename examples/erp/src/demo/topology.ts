/** `--topology`: a Redis of many processes on loopback, and what goes wrong with it while the job runs. */

import { createKeys } from '@kerp/keys'
import {
  openPrivateCluster,
  openPrivateReplicas,
  type PrivateRedis,
  type PrivateReplicas,
} from '@kerp/redis/testing'
import { COMPANIES } from '../companies.js'
import type { ErpConfig } from '../config.js'
import type { Fault } from './faults.js'
import { pause } from './patience.js'

/** Of the demo's command line. */
export type TopologyName = 'sentinel' | 'cluster'

/** Running servers. */
export interface Topology {
  readonly words: string
  /** Where the app finds them. */
  readonly settings: Partial<ErpConfig>
  readonly faults: readonly Fault[]
  close(): Promise<void>
}

const HALF_WAY_MS = 300
/** Longer than the Sentinels wait before they call a server down. */
const LAG_MS = 1_500
const LOOK_EVERY_MS = 50
const LOOKS_MAX = 400

/** @throws {RedisMissingError} `REDIS_MISSING`, which says what to install. */
export function openTopology(name: TopologyName): Promise<Topology> {
  return name === 'sentinel' ? openSentinels() : openCluster()
}

async function openSentinels(): Promise<Topology> {
  const replicas = await openPrivateReplicas()
  const { nodes, name } = replicas.sentinel
  const kill: Fault = {
    kind: 'masterKill',
    words: 'the master of Redis is killed',
    share: 0.2,
    run: async () => (await replicas.master()).kill(),
  }
  const lag: Fault = {
    kind: 'replicaLag',
    words: 'a replica stands still while its master goes on',
    share: 0.4,
    run: async () => {
      const replica = await replicaOf(replicas)
      replica.pause()
      await pause(LAG_MS)
      replica.resume()
    },
  }
  const failover: Fault = {
    kind: 'failover',
    words: 'another master is ordered',
    share: 0.6,
    run: () => replicas.failover(),
  }
  return {
    words: 'a master, two replicas and three Sentinels',
    settings: { redisSentinels: addressesOf(nodes), redisSentinelName: name },
    faults: [kill, lag, failover],
    close: () => replicas.close(),
  }
}

/** One that lives and follows the master, by the master's own word; after a failover that takes a moment. */
async function replicaOf(replicas: PrivateReplicas): Promise<PrivateRedis> {
  const client = (await replicas.master()).client()
  try {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const told = await client.info('replication')
      const found = replicas.servers.find(({ port }) => told.includes(`port=${port ?? 0},state=online`))
      if (found !== undefined) return found
      await pause(LOOK_EVERY_MS)
    }
  } finally {
    client.disconnect()
  }
  throw new RangeError(`the master has no replica after ${LOOKS_MAX * LOOK_EVERY_MS} ms`)
}

async function openCluster(): Promise<Topology> {
  const nodes = await openPrivateCluster()
  const [company] = COMPANIES
  const key = createKeys().watermark(company?.id ?? '')
  const move: Fault = {
    kind: 'slotMove',
    words: 'the slot of a company moves to another node',
    share: 0.15,
    run: async () => {
      const half = await nodes.beginMove(key)
      await pause(HALF_WAY_MS)
      await half.finish()
    },
  }
  const kill: Fault = {
    kind: 'masterKill',
    words: 'the master of that slot is killed',
    share: 0.55,
    run: async () => (await nodes.masterOf(key)).kill(),
  }
  return {
    words: 'a cluster of three masters and three replicas',
    settings: { redisClusterNodes: addressesOf(nodes.cluster.nodes) },
    faults: [move, kill],
    close: () => nodes.close(),
  }
}

function addressesOf(
  nodes: readonly { readonly host: string; readonly port?: number | undefined }[],
): string {
  return nodes.map(({ host, port }) => `${host}:${port ?? 0}`).join(',')
}
