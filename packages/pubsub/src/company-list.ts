/**
 * The companies that have events, as this process knows them: read from Redis's list, again at each hint that one came
 * and each time the ends of streams are looked at. A hint that is lost costs time and nothing else.
 */

import { tellFailure } from '@kerp/core'
import { isCompanyId } from '@kerp/keys'
import { ChannelLine } from './channel-line.js'
import { type EventPosition, isSamePosition, ORIGIN } from './event-position.js'
import { readEntries } from './read-entries.js'
import type { SubscriberParts } from './subscriber-options.js'

/** Called with all companies after a look that began after it followed, and again when there are more. */
export type CompanyListFollower = (companies: ReadonlySet<string>) => void

/** Companies of one page. */
const PAGE = 1_000

/** Follows the list. It only grows: a company that Redis forgot may have events again. */
export class CompanyList {
  readonly #parts: SubscriberParts
  readonly #known = new Set<string>()
  readonly #told = new Map<CompanyListFollower, number>()
  #position: EventPosition = ORIGIN
  #isPoked = false
  #looking: Promise<void> | undefined
  #leave: (() => void) | undefined

  constructor(parts: SubscriberParts) {
    this.#parts = parts
  }

  get isFollowed(): boolean {
    return this.#told.size > 0
  }

  /** Follows until the returned function is called. */
  follow(follower: CompanyListFollower): () => void {
    this.#told.set(follower, -1)
    const look = (): void => void this.look()
    const channel = this.#parts.keys.eventsCompaniesChannel()
    this.#leave ??= ChannelLine.of(this.#parts).listen(channel, { heard: look, listening: look })
    look()
    return () => {
      this.#told.delete(follower)
      if (this.isFollowed) return
      this.#leave?.()
      this.#leave = undefined
    }
  }

  /** Reads what is new; a call while one runs has it read again. Never rejects. */
  look(): Promise<void> {
    this.#isPoked = true
    this.#looking ??= this.#run().finally(() => this.#ended())
    return this.#looking
  }

  /** A call that came after the last reading, and before anybody knew that it was the last, has its own. */
  #ended(): Promise<void> | undefined {
    this.#looking = undefined
    return this.#isPoked && this.isFollowed ? this.look() : undefined
  }

  async #run(): Promise<void> {
    while (this.#isPoked && this.isFollowed) {
      this.#isPoked = false
      const followers = [...this.#told.keys()]
      try {
        await this.#read()
      } catch (error) {
        tellFailure(this.#parts.observer, 'events', error)
        return
      }
      for (const follower of followers) this.#tell(follower)
    }
  }

  #tell(follower: CompanyListFollower): void {
    const told = this.#told.get(follower)
    if (told === undefined || told === this.#known.size) return
    this.#told.set(follower, this.#known.size)
    follower(this.#known)
  }

  async #read(): Promise<void> {
    for (;;) {
      const before = this.#position
      const entries = await readEntries(this.#parts, this.#parts.keys.eventsCompanyList(), before, PAGE)
      const [first, ...behind] = entries
      const follows = isSamePosition(before, ORIGIN) || (first !== undefined && isSamePosition(first, before))
      if (!follows) {
        // Redis lost the list, or went back: it is read from its beginning.
        this.#position = ORIGIN
        continue
      }
      const fresh = isSamePosition(before, ORIGIN) ? entries : behind
      for (const { eventId } of fresh) if (isCompanyId(eventId)) this.#known.add(eventId)
      const last = entries.at(-1)
      if (last !== undefined) this.#position = { streamId: last.streamId, eventId: last.eventId }
      if (entries.length < PAGE) return
    }
  }
}
