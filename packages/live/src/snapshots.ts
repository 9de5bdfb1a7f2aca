/** Snapshots of one company: one call serves every client that asks for the same topics at about the same time. */

import { withDeadline } from '@kerp/core'
import type { LiveHubParts } from './hub-options.js'
import type { LiveRing } from './ring.js'
import { textFrame } from './text-frame.js'
import type { TopicSet, TopicTable } from './topics.js'

/** The snapshot frames of a set of topics, in one piece of bytes. */
export interface SnapshotFrames {
  /** The position that they show; what came later may be in them already, and comes again. */
  readonly to: number
  readonly bytes: Buffer
}

interface Taken {
  readonly frames: Promise<SnapshotFrames>
  readonly to: number
  /** Undefined while it is being taken. */
  doneMs: number | undefined
}

/** Takes them. */
export class Snapshots<E> {
  readonly #parts: LiveHubParts<E>
  readonly #table: TopicTable<E>
  readonly #companyId: string
  readonly #taken = new Map<string, Taken>()

  constructor(parts: LiveHubParts<E>, table: TopicTable<E>, companyId: string) {
    this.#parts = parts
    this.#table = table
    this.#companyId = companyId
  }

  /** After a change of history nothing that was taken before may be used. */
  forget(): void {
    this.#taken.clear()
  }

  /** The frames, taken now or a moment ago. Rejects with what the provider threw, or after the deadline. */
  async take(ring: LiveRing, set: TopicSet, history: string): Promise<SnapshotFrames> {
    const known = this.#taken.get(set.id)
    if (known !== undefined && this.#isUsable(known, ring)) return known.frames
    // First the position, then the reading: what happens between comes twice, and never not at all.
    const to = ring.head
    const taken: Taken = { to, doneMs: undefined, frames: this.#frames(ring, set, { to, history }) }
    this.#taken.set(set.id, taken)
    try {
      const frames = await taken.frames
      taken.doneMs = this.#parts.clock.monotonicMs()
      return frames
    } catch (error) {
      if (this.#taken.get(set.id) === taken) this.#taken.delete(set.id)
      throw error
    }
  }

  #isUsable({ to, doneMs }: Taken, ring: LiveRing): boolean {
    if (to < ring.start) return false
    return doneMs === undefined || this.#parts.clock.monotonicMs() - doneMs <= this.#parts.snapshotReuseMs
  }

  async #frames(
    ring: LiveRing,
    set: TopicSet,
    { to, history }: { readonly to: number; readonly history: string },
  ): Promise<SnapshotFrames> {
    const topics = set.order
      .filter((index) => this.#table.kindOf(index) === 'state')
      .map((index) => this.#table.nameOf(index))
    const items = topics.length === 0 ? {} : await this.#provided(topics)
    const historyText = JSON.stringify(history)
    const frames = [...set.order, ...set.ephemeral].map((index) => {
      const topic = this.#table.nameOf(index)
      const shown =
        this.#table.kindOf(index) === 'log'
          ? this.#recent(ring, index, to)
          : JSON.stringify(items[topic] ?? [])
      return textFrame(
        `{"op":"snapshot","topic":"${topic}","to":"${to}","history":${historyText},"items":${shown}}`,
      )
    })
    return { to, bytes: Buffer.concat(frames) }
  }

  #provided(topics: readonly string[]): Promise<Readonly<Record<string, readonly unknown[]>>> {
    const { snapshot, deadlineMs, clock } = this.#parts
    const bounds = { operation: 'taking a snapshot', deadlineMs, outcome: 'notDone', clock } as const
    return withDeadline(snapshot({ companyId: this.#companyId, topics }), bounds)
  }

  /** The latest events up to a position, as far as the ring has them. */
  #recent(ring: LiveRing, index: number, to: number): string {
    const texts: string[] = []
    const first = Math.max(ring.start, to - this.#parts.recentEvents)
    for (let position = first + 1; position <= to; position += 1) {
      const item = ring.at(position)?.items[index]
      if (item !== undefined) texts.push(item.json)
    }
    return `[${texts.join(',')}]`
  }
}
