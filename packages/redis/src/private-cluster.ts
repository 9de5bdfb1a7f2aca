/**
 * A private Redis Cluster, for tests, benches and demos: three masters that share the slots, each with a replica, on
 * loopback. Takes two to three seconds.
 */

import { type Closable, closeOnce } from '@kerp/core'
import type { Redis } from 'ioredis'
import { RedisMissingError } from './errors.js'
import { freePort, openPrivateServer, type PrivateRedis } from './private-redis.js'
import { becomes, order, talk } from './private-talk.js'
import type { ClusterNodes, RedisNode } from './redis-options.js'

/** How the nodes are started. */
export interface PrivateClusterOptions {
  /** A node that is silent for this long counts as failed, in ms. @defaultValue 2_000 */
  readonly nodeTimeoutMs?: number | undefined
  /** More arguments for each node. */
  readonly args?: readonly string[] | undefined
  /** How long the nodes may take to agree, in ms. @defaultValue 30_000 */
  readonly startMs?: number | undefined
}

/** Running nodes. Closing ends all of them; clients are the caller's. */
export interface PrivateCluster extends Closable {
  /** For `createRedis({ cluster })`. */
  readonly cluster: ClusterNodes
  /** Three masters, then a replica of each, in the same order. Restart one with `keepData`, or it is a stranger. */
  readonly nodes: readonly PrivateRedis[]
  /** The master that holds a key's slot now. */
  masterOf(key: string): Promise<PrivateRedis>
  /** Another master than the one that holds the key. */
  strangerTo(key: string): Promise<PrivateRedis>
  /** Settles when another master than `old` holds the key, and all nodes say so. */
  replaced(key: string, old: PrivateRedis): Promise<PrivateRedis>
  /** Makes the replica of the key's master the master, as an operator does. */
  failover(key: string): Promise<void>
  /** Moves the key's slot to another master, key after key, while it is in use. */
  moveSlot(key: string): Promise<void>
  /** The first half of a move: from then on the slot has two nodes, and its keys stay where they are. */
  beginMove(key: string): Promise<SlotMove>
}

/** A slot on its way. */
export interface SlotMove {
  readonly slot: number
  readonly from: PrivateRedis
  readonly to: PrivateRedis
  /** Sends these keys ahead. */
  send(keys: readonly string[]): Promise<void>
  /** Sends all that is left, and gives the slot to its new node. */
  finish(): Promise<void>
}

const MASTERS = 3
const SLOTS = 16_384
const BUS = 10_000
const PORT_MAX = 65_535
const NODE_TIMEOUT_MS = 2_000
const START_MS = 30_000
const KEYS_PER_STEP = 20

/**
 * Starts six nodes and waits until all of them know who serves what.
 *
 * @throws {RedisMissingError} `REDIS_MISSING` when no server program is on PATH, or they do not agree in time.
 * @example
 * await using nodes = await openPrivateCluster()
 * const redis = createRedis({ cluster: nodes.cluster })
 */
export async function openPrivateCluster(options: PrivateClusterOptions = {}): Promise<PrivateCluster> {
  const { nodeTimeoutMs = NODE_TIMEOUT_MS, startMs = START_MS } = options
  const nodes: PrivateRedis[] = []
  const cluster = new RunningCluster(nodes, startMs)
  const args = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    String(nodeTimeoutMs),
    '--repl-diskless-sync-delay',
    '0',
    ...(options.args ?? []),
  ]
  try {
    while (nodes.length < 2 * MASTERS) {
      nodes.push(await openPrivateServer({ port: await portOfNode(), args }))
    }
    await cluster.meet()
    await cluster.follow()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}

/** Nodes talk to each other on a second port, ten thousand above. */
async function portOfNode(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + BUS > PORT_MAX) continue
    const bus = await freePort(port + BUS).catch(() => undefined)
    if (bus !== undefined) return port
  }
}

class RunningCluster implements PrivateCluster {
  readonly close = closeOnce(() => this.#end())

  constructor(
    readonly nodes: readonly PrivateRedis[],
    private readonly startMs: number,
  ) {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get cluster(): ClusterNodes {
    return { nodes: this.nodes.map(({ port }): RedisNode => ({ host: '127.0.0.1', port })) }
  }

  async masterOf(key: string): Promise<PrivateRedis> {
    const slot = await this.#slotOf(key)
    for (const node of this.nodes) {
      const self = await talk(node, selfOf)
      if (self?.isMaster === true && holds(self, slot)) return node
    }
    throw new RedisMissingError(`No master of these nodes holds slot ${slot} now.`)
  }

  async strangerTo(key: string): Promise<PrivateRedis> {
    const own = await this.masterOf(key)
    for (const node of this.nodes) {
      const self = await talk(node, selfOf)
      if (node !== own && self?.isMaster === true && self.slots.length > 0) return node
    }
    throw new RedisMissingError('No other master of these nodes answers.')
  }

  async replaced(key: string, old: PrivateRedis): Promise<PrivateRedis> {
    let now = old
    await this.#until('another master holds the slot', async () => {
      now = await this.masterOf(key).catch(() => old)
      return now !== old && (await this.#agree(now, await this.#slotOf(key), old))
    })
    return now
  }

  async failover(key: string): Promise<void> {
    const old = await this.masterOf(key)
    const id = await order(old, idOf)
    for (const node of this.nodes) {
      if ((await talk(node, selfOf))?.masterId !== id) continue
      await order(node, (client) => client.cluster('FAILOVER'))
      await this.replaced(key, old)
      return
    }
    throw new RedisMissingError('The master has no replica that answers.')
  }

  async moveSlot(key: string): Promise<void> {
    const move = await this.beginMove(key)
    await move.finish()
  }

  async beginMove(key: string): Promise<SlotMove> {
    const [slot, from, to] = [await this.#slotOf(key), await this.masterOf(key), await this.strangerTo(key)]
    const [fromId, toId] = [await order(from, idOf), await order(to, idOf)]
    await order(to, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId))
    await order(from, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId))
    const send = async (keys: readonly string[]): Promise<void> => {
      const target = ['127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys]
      if (keys.length > 0) await order(from, (client) => client.call('MIGRATE', ...target))
    }
    const finish = async (): Promise<void> => {
      for (;;) {
        const keys = await order(from, (client) => client.cluster('GETKEYSINSLOT', slot, KEYS_PER_STEP))
        if (keys.length === 0) break
        await send(keys)
      }
      for (const node of [to, from, ...this.nodes]) {
        await talk(node, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId))
      }
    }
    return { slot, from, to, send, finish }
  }

  /** Shares out the slots and makes the nodes known to each other. */
  async meet(): Promise<void> {
    const [first] = this.nodes
    for (const [at, node] of this.nodes.entries()) {
      await order(node, (client) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1))
      if (at < MASTERS) await order(node, (client) => client.cluster('ADDSLOTS', ...slotsOf(at)))
      if (first === undefined || node === first) continue
      await order(first, (client) => client.call('CLUSTER', 'MEET', '127.0.0.1', node.port ?? 0))
    }
    await this.#everywhere('all nodes know each other', (info) =>
      info.includes(`cluster_known_nodes:${this.nodes.length}`),
    )
  }

  /** Gives each master its replica. */
  async follow(): Promise<void> {
    for (const [at, node] of this.nodes.slice(MASTERS).entries()) {
      const master = this.nodes[at]
      if (master === undefined) continue
      const id = await order(master, idOf)
      await this.#until('a node is known as a master', async () => {
        return (await talk(node, (client) => client.call('CLUSTER', 'REPLICATE', id))) === 'OK'
      })
    }
    await this.#everywhere('all slots are served', (info) => info.includes('cluster_state:ok'))
    for (const node of this.nodes.slice(MASTERS)) {
      await this.#until('the replicas follow', async () =>
        (await talk(node, (client) => client.info('replication')))?.includes('master_link_status:up'),
      )
    }
    for (const node of this.nodes) {
      await this.#until('all nodes know the replicas', async () => {
        const lines = (await talk(node, linesOf)) ?? []
        return lines.filter(({ isMaster }) => !isMaster).length === MASTERS
      })
    }
  }

  async #everywhere(words: string, isTrue: (info: string) => boolean): Promise<void> {
    for (const node of this.nodes) {
      await this.#until(words, async () => {
        const info = await talk(node, (client) => client.cluster('INFO'))
        return info !== undefined && isTrue(info)
      })
    }
  }

  /** Whether all nodes that answer, but `except`, hold `owner` for the slot's master. */
  async #agree(owner: PrivateRedis, slot: number, except: PrivateRedis): Promise<boolean> {
    for (const node of this.nodes) {
      const lines = node === except ? undefined : await talk(node, linesOf)
      const holder = lines?.find((line) => holds(line, slot))
      if (lines !== undefined && holder?.port !== owner.port) return false
    }
    return true
  }

  async #slotOf(key: string): Promise<number> {
    for (const node of this.nodes) {
      const slot = await talk(node, (client) => client.cluster('KEYSLOT', key))
      if (slot !== undefined) return slot
    }
    throw new RedisMissingError('No node answers.')
  }

  #until(words: string, isTrue: () => Promise<unknown>): Promise<void> {
    return becomes(words, isTrue, this.startMs)
  }

  async #end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
  }
}

function slotsOf(master: number): number[] {
  const edge = (at: number): number => Math.round((at * SLOTS) / MASTERS)
  return Array.from({ length: edge(master + 1) - edge(master) }, (_, at) => edge(master) + at)
}

async function idOf(client: Redis): Promise<string> {
  return client.cluster('MYID')
}

/** What a node knows of one node. */
interface NodeLine {
  readonly port: number
  /** The node that was asked. */
  readonly isSelf: boolean
  readonly isMaster: boolean
  readonly masterId: string
  readonly slots: readonly (readonly [number, number])[]
}

/** Reads CLUSTER NODES: `id address flags master ping pong epoch link slot first-last [slot->-node]`. */
async function linesOf(client: Redis): Promise<readonly NodeLine[]> {
  const text = String(await client.call('CLUSTER', 'NODES'))
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const [, address = '', flags = '', masterId = '', , , , , ...slots] = line.split(' ')
    const words = flags.split(',')
    return {
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      isSelf: words.includes('myself'),
      isMaster: words.includes('master'),
      masterId,
      slots: slots.filter((range) => !range.startsWith('[')).map(rangeOf),
    }
  })
}

function rangeOf(text: string): readonly [number, number] {
  const [first = 0, last = first] = text.split('-').map(Number)
  return [first, last]
}

async function selfOf(client: Redis): Promise<NodeLine | undefined> {
  return (await linesOf(client)).find(({ isSelf }) => isSelf)
}

function holds({ slots }: NodeLine, slot: number): boolean {
  return slots.some(([first, last]) => first <= slot && slot <= last)
}
