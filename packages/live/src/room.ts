/** One company with its clients: events come in at one end, and each client reads on from its own place. */

import { tellFailure, withDeadline } from '@kerp/core'
import type { LiveStart } from './feed.js'
import { FrameGroups } from './frame-groups.js'
import type { HubClient } from './hub-client.js'
import type { LiveHubParts } from './hub-options.js'
import { LiveRing } from './ring.js'
import { Snapshots } from './snapshots.js'
import { textFrame } from './text-frame.js'
import type { TopicSet, TopicTable } from './topics.js'

/** From where a client wants to go on. */
export interface Resume {
  readonly position: number
  /** The history that the position is of, if the client knows. */
  readonly history: string | undefined
}

/** What a room is part of. */
export interface RoomParts<E> {
  readonly hub: LiveHubParts<E>
  readonly table: TopicTable<E>
  readonly companyId: string
  /** There is something to flush. */
  readonly onDirty: () => void
}

const RESET = textFrame('{"op":"reset"}')
const PAGE_EVENTS = 500
/** Clients that are served before other work has its turn. */
const CLIENTS_AT_ONCE = 250

/** A company's room. */
export class Room<E> {
  readonly companyId: string
  readonly clients = new Set<HubClient>()
  readonly #hub: LiveHubParts<E>
  readonly #table: TopicTable<E>
  readonly #groups: FrameGroups<E>
  readonly #snapshots: Snapshots<E>
  readonly #onDirty: () => void
  readonly #announced = new Map<number, Map<string, string>>()
  readonly #feed: { close(): Promise<void> }
  readonly #ready: Promise<void>
  #makeReady: () => void = () => undefined
  #ring: LiveRing
  #history = ''
  #isReady = false
  #extending: Promise<boolean> | undefined

  constructor({ hub, table, companyId, onDirty }: RoomParts<E>) {
    this.companyId = companyId
    this.#hub = hub
    this.#table = table
    this.#onDirty = onDirty
    this.#groups = new FrameGroups(table, hub.frameBytesMax)
    this.#snapshots = new Snapshots(hub, table, companyId)
    this.#ring = new LiveRing(hub.ring, 0)
    this.#ready = new Promise((resolve) => (this.#makeReady = resolve))
    this.#feed = hub.feed.open(companyId, {
      onStart: (start) => void this.#start(start),
      onEvents: ({ from, events }) => this.#hear(from, events),
    })
  }

  /** How many groups of frames were built since the room was opened. */
  get framesBuilt(): number {
    return this.#groups.built
  }

  close(): Promise<void> {
    return this.#feed.close()
  }

  /** Brings a client in: from its place if that is certain, else by a snapshot. */
  async join(client: HubClient, set: TopicSet, resume: Resume | undefined): Promise<void> {
    client.turn += 1
    const { turn } = client
    client.set = set
    client.isJoining = true
    this.clients.add(client)
    const isCurrent = (): boolean => client.turn === turn && !client.isClosing
    try {
      await this.#inTime('joining', this.#ready)
      const canResume = resume !== undefined && (await this.#canResume(resume))
      if (!isCurrent()) return
      if (canResume) {
        client.place = { cursor: resume.position, told: resume.position }
        client.isJoining = false
        this.pump(client)
        return
      }
      if (resume !== undefined) this.#sayReset(client, 'refused')
      await this.#show(client, set, isCurrent)
    } catch (error) {
      this.#failed(client, error, isCurrent())
    }
  }

  /** Takes a client out. */
  leave(client: HubClient): void {
    client.turn += 1
    this.clients.delete(client)
  }

  /** Keeps an item that is worth sending now or never. */
  announce(topic: number, key: string, json: string): void {
    const items = this.#announced.get(topic) ?? new Map<string, string>()
    items.set(key, json)
    this.#announced.set(topic, items)
    this.#onDirty()
  }

  /** Serves every client, with pauses for other work. */
  async flush(): Promise<void> {
    const announced = new Map(this.#announced)
    this.#announced.clear()
    const frames = new Map<string, Buffer>()
    let served = 0
    for (const client of this.clients) {
      this.pump(client)
      if (announced.size > 0) this.#announceTo(client, announced, frames)
      served += 1
      if (served % CLIENTS_AT_ONCE === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Writes what a client has not got, as long as it takes it. */
  pump(client: HubClient): void {
    const { set } = client
    if (set === undefined || client.isJoining || client.isClosing) return
    while (client.place.cursor < this.#ring.head) {
      if (client.place.cursor < this.#ring.start) {
        this.#overtaken(client, set)
        return
      }
      const unsent = client.unsentBytes
      // One that is behind waits until all has left. Each stands at a place of its own: to build what each lacks, only
      // to see that it does not fit, would cost the healthy ones their time.
      if (client.laggingSinceMs !== undefined && unsent > 0) return
      const group = this.#groups.after(this.#ring, set, client.place)
      if (group.frames > 0) {
        if (unsent > 0 && unsent + group.bytes.length > this.#hub.unsentBytesMax) {
          client.laggingSinceMs ??= this.#hub.clock.monotonicMs()
          return
        }
        client.write(group.bytes)
      }
      client.place = { cursor: group.end, told: group.told }
    }
    client.laggingSinceMs = undefined
    client.resets = 0
  }

  #overtaken(client: HubClient, set: TopicSet): void {
    client.laggingSinceMs ??= this.#hub.clock.monotonicMs()
    if (client.unsentBytes > 0) return
    client.resets += 1
    if (client.resets > this.#hub.resetsMax) {
      client.close('slow', this.#hub.clock.monotonicMs())
      return
    }
    this.#sayReset(client, 'lagged')
    void this.#showAgain(client, set)
  }

  async #showAgain(client: HubClient, set: TopicSet): Promise<void> {
    client.turn += 1
    const { turn } = client
    client.isJoining = true
    const isCurrent = (): boolean => client.turn === turn && !client.isClosing
    await this.#show(client, set, isCurrent).catch((error: unknown) =>
      this.#failed(client, error, isCurrent()),
    )
  }

  /** What it asked for cannot be read now; it comes back later by itself. */
  #failed(client: HubClient, error: unknown, isCurrent: boolean): void {
    if (!isCurrent) return
    tellFailure(this.#hub.observer, 'live', error)
    client.close('overloaded', this.#hub.clock.monotonicMs())
  }

  /** Snapshot first; everything after its position is in the ring, so nothing has to be kept for the client. */
  async #show(client: HubClient, set: TopicSet, isCurrent: () => boolean): Promise<void> {
    const { to, bytes } = await this.#snapshots.take(this.#ring, set, this.#history)
    if (!isCurrent()) return
    client.write(bytes)
    client.place = { cursor: to, told: to }
    client.isJoining = false
    this.pump(client)
  }

  #sayReset(client: HubClient, reason: 'refused' | 'lagged' | 'history'): void {
    this.#hub.observer.liveReset?.({ reason })
    client.write(RESET)
  }

  async #canResume({ position, history }: Resume): Promise<boolean> {
    if (position < 0 || (history !== undefined && history !== this.#history)) return false
    if (position > this.#ring.head) return this.#isKnown(position)
    while (position < this.#ring.start) {
      if (this.#ring.head - position > this.#hub.ringEventsMax) return false
      // Another client may have asked for less: then this one asks for the rest.
      this.#extending ??= this.#extend(position).finally(() => (this.#extending = undefined))
      if (!(await this.#extending)) return false
    }
    return true
  }

  /** Another process may have told the client of an event that this one has not heard of yet. */
  async #isKnown(position: number): Promise<boolean> {
    const page = await this.#read(position - 1, 1)
    return page.history === this.#history && page.events.length === 1
  }

  /** Reads events before the ring's start, once for all clients that need them. */
  async #extend(position: number): Promise<boolean> {
    const ring = this.#ring
    const wanted = ring.start - position
    const events: E[] = []
    while (events.length < wanted) {
      const page = await this.#read(position + events.length, Math.min(PAGE_EVENTS, wanted - events.length))
      if (page.history !== this.#history || page.events.length === 0) return false
      if (page.trimmedTo > position) return false
      events.push(...page.events)
    }
    if (this.#ring !== ring || ring.start !== position + events.length) return false
    return ring.prepend(events.map((event) => this.#table.encode(event, this.companyId)))
  }

  async #start(start: LiveStart): Promise<void> {
    this.#begin(start)
    await this.#preload().catch(() => undefined)
    this.#isReady = true
    this.#makeReady()
  }

  /** The latest events, so that most clients of a server that was restarted find their place in memory. */
  async #preload(): Promise<void> {
    const position = Math.max(0, this.#ring.start - this.#hub.preloadEvents)
    if (position < this.#ring.start) await this.#extend(position)
  }

  /** A new history, or a gap in it: every client takes a snapshot. */
  #begin({ history, position }: LiveStart): void {
    this.#ring = new LiveRing(this.#hub.ring, position)
    this.#history = history
    this.#snapshots.forget()
    if (!this.#isReady) return
    for (const client of this.clients) {
      // One that is still joining takes its snapshot from the new ring, or begins again.
      const { set } = client
      if (set === undefined || client.isClosing) continue
      this.#sayReset(client, 'history')
      void this.#showAgain(client, set)
    }
  }

  #hear(from: number, events: readonly E[]): void {
    // A feed that left something out said nothing of it: nobody goes on from before the hole.
    if (from > this.#ring.head) this.#begin({ history: this.#history, position: from })
    let position = from
    for (const event of events) {
      position += 1
      // A block that overlaps what is known adds only what is new.
      if (position !== this.#ring.head + 1) continue
      this.#ring.append(this.#table.encode(event, this.companyId))
    }
    this.#onDirty()
  }

  #read(after: number, limit: number): ReturnType<LiveHubParts<E>['feed']['read']> {
    return this.#inTime('reading events', this.#hub.feed.read({ companyId: this.companyId, after, limit }))
  }

  #inTime<T>(operation: string, work: Promise<T>): Promise<T> {
    const { clock, deadlineMs } = this.#hub
    return withDeadline(work, { operation, deadlineMs, outcome: 'notDone', clock })
  }

  #announceTo(
    client: HubClient,
    announced: ReadonlyMap<number, ReadonlyMap<string, string>>,
    frames: Map<string, Buffer>,
  ): void {
    const { set, place } = client
    if (set === undefined || client.isJoining || client.laggingSinceMs !== undefined) return
    for (const index of set.ephemeral) {
      const items = announced.get(index)
      if (items === undefined || client.unsentBytes > 0) continue
      const key = `${index}:${place.told}`
      const known = frames.get(key)
      const frame = known ?? textFrame(this.#announcement(index, place.told, items))
      if (known === undefined) frames.set(key, frame)
      client.write(frame)
    }
  }

  #announcement(index: number, told: number, items: ReadonlyMap<string, string>): string {
    const topic = this.#table.nameOf(index)
    return `{"op":"state","topic":"${topic}","from":"${told}","to":"${told}","items":[${[...items.values()].join(',')}]}`
  }
}
