/** `--topology`: a Redis of many processes on loopback, and what goes wrong with it while the job runs. */

import { createKeys } from '@kerp/keys'
import { openPrivateCluster, openPrivateReplicas } from '@kerp/redis/testing'
import { COMPANIES } from '../companies.js'
import type { ErpConfig } from '../config.js'
import { type Fault, pause } from './faults.js'

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
  const failover: Fault = {
    kind: 'failover',
    words: 'another master is ordered',
    share: 0.6,
    run: () => replicas.failover(),
  }
  return {
    words: 'a master, two replicas and three Sentinels',
    settings: { redisSentinels: addressesOf(nodes), redisSentinelName: name },
    faults: [failover, kill],
    close: () => replicas.close(),
  }
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
