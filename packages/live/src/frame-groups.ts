/**
 * The frames from one place in the ring to its head, built once and shared by all clients that stand at that place.
 *
 * Frames of one group form a chain: `from` of each is `to` of the one before it. Only the last one moves on, so that
 * a client that lost the connection between two of them resumes before the group, and misses nothing of it.
 */

import type { LiveRing } from './ring.js'
import { textFrame } from './text-frame.js'
import type { EncodedItem, TopicSet, TopicTable } from './topics.js'

/** Some frames in one piece of bytes. */
export interface FrameGroup {
  readonly bytes: Buffer
  readonly frames: number
  /** The position that these frames and all before them show. */
  readonly end: number
  /** The last `to` in them; the one before when there are no frames. */
  readonly told: number
}

/** Where a client stands. */
export interface Place {
  /** All up to here was sent, or was not the client's concern. */
  readonly cursor: number
  /** The last `to` that the client got. */
  readonly told: number
}

const NOTHING = Buffer.alloc(0)
const GROUPS_MAX = 256
/** So far behind the head, a client whose topics are quiet is told the position all the same, to resume from. */
const QUIET_EVENTS_MAX = 500

/** Builds groups of one company, and keeps those to the current head. */
export class FrameGroups<E> {
  readonly #table: TopicTable<E>
  readonly #bytesMax: number
  readonly #groups = new Map<string, FrameGroup>()
  #head = -1
  #built = 0

  constructor(table: TopicTable<E>, bytesMax: number) {
    this.#table = table
    this.#bytesMax = bytesMax
  }

  /** How many groups were built. */
  get built(): number {
    return this.#built
  }

  /** The next frames after a place inside the ring. About `bytesMax` long at most, unless one event is longer. */
  after(ring: LiveRing, set: TopicSet, { cursor, told }: Place): FrameGroup {
    if (ring.head !== this.#head || this.#groups.size >= GROUPS_MAX) {
      this.#groups.clear()
      this.#head = ring.head
    }
    const key = `${set.id}:${cursor}:${told}`
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group = this.#build(ring, set, { cursor, told })
    this.#groups.set(key, group)
    return group
  }

  #build(ring: LiveRing, set: TopicSet, { cursor, told }: Place): FrameGroup {
    const { end, items } = this.#collect(ring, set, cursor)
    const filled = set.order.filter((index) => (items.get(index)?.size ?? 0) > 0)
    if (filled.length === 0) return this.#quiet(set, end, told)
    this.#built += 1
    const frames = filled.map((index, at) => {
      const to = at === filled.length - 1 ? end : told
      const texts = [...(items.get(index)?.values() ?? [])].map(({ json }) => json)
      return textFrame(this.#text(index, told, to, texts))
    })
    return { bytes: joined(frames), frames: frames.length, end, told: end }
  }

  #quiet(set: TopicSet, end: number, told: number): FrameGroup {
    const [index] = set.order
    if (index === undefined || end - told < QUIET_EVENTS_MAX) return { bytes: NOTHING, frames: 0, end, told }
    return { bytes: textFrame(this.#text(index, told, end, [])), frames: 1, end, told: end }
  }

  /** Items of each topic; of a state only the latest of each key. */
  #collect(
    ring: LiveRing,
    set: TopicSet,
    cursor: number,
  ): { readonly end: number; readonly items: ReadonlyMap<number, ReadonlyMap<string, EncodedItem>> } {
    const items = new Map(set.order.map((index) => [index, new Map<string, EncodedItem>()] as const))
    let bytes = 0
    let end = cursor
    while (end < ring.head && bytes < this.#bytesMax) {
      const event = ring.at(end + 1)
      end += 1
      for (const [index, ofTopic] of items) {
        const item = event?.items[index]
        if (item === undefined) continue
        const key = this.#table.kindOf(index) === 'log' ? String(end) : item.key
        bytes += item.bytes - (ofTopic.get(key)?.bytes ?? 0)
        // The latest item of a key stands where the latest change was.
        ofTopic.delete(key)
        ofTopic.set(key, item)
      }
    }
    return { end, items }
  }

  #text(index: number, from: number, to: number, items: readonly string[]): string {
    const chain = `"from":"${from}","to":"${to}"`
    if (this.#table.kindOf(index) === 'log') return `{"op":"events",${chain},"events":[${items.join(',')}]}`
    return `{"op":"state","topic":"${this.#table.nameOf(index)}",${chain},"items":[${items.join(',')}]}`
  }
}

function joined(frames: readonly Buffer[]): Buffer {
  const [only] = frames
  return frames.length === 1 && only !== undefined ? only : Buffer.concat(frames)
}
