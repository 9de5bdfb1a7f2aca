/** How far the logs of companies go: whoever asks in one moment shares one question to the log. */

import type { EventHeads, EventSource } from '@kerp/core'
import type { LiveStart } from './feed.js'

interface Question {
  readonly companyId: string
  readonly isBegin: boolean
  readonly resolve: (head: LiveStart) => void
  readonly reject: (error: unknown) => void
}

/** Companies of one question. */
const COMPANIES_MAX = 10_000

/** Changes that are numbered before. */
const ADVANCE_MAX = 1_000

/** Asks for heads. */
export class LogHeads {
  readonly #source: EventSource
  #questions: Question[] = []

  constructor(source: EventSource) {
    this.#source = source
  }

  /** Whether one question can be for many companies and for nothing else. */
  get isShared(): boolean {
    return this.#source.heads !== undefined
  }

  /** Where the log of a company ends, after what was committed before has its number. Throws what the log throws. */
  begin(companyId: string): Promise<LiveStart> {
    return this.#queue(companyId, true)
  }

  /** Where the log of a company ends. Throws what the log throws. */
  read(companyId: string): Promise<LiveStart> {
    return this.#queue(companyId, false)
  }

  #queue(companyId: string, isBegin: boolean): Promise<LiveStart> {
    return new Promise((resolve, reject) => {
      this.#questions.push({ companyId, isBegin, resolve, reject })
      if (this.#questions.length === 1) queueMicrotask(() => this.#ask())
    })
  }

  #ask(): void {
    const questions = this.#questions
    this.#questions = []
    for (let at = 0; at < questions.length; at += COMPANIES_MAX) {
      void this.#answer(questions.slice(at, at + COMPANIES_MAX))
    }
  }

  async #answer(questions: readonly Question[]): Promise<void> {
    try {
      if (this.isShared && questions.some(({ isBegin }) => isBegin)) {
        await this.#source.advance({ limit: ADVANCE_MAX })
      }
      const { epoch, heads } = await this.#heads([...new Set(questions.map(({ companyId }) => companyId))])
      const positions = new Map(heads.map(({ companyId, position }) => [companyId, Number(position)]))
      for (const { companyId, resolve } of questions) {
        resolve({ history: epoch, position: positions.get(companyId) ?? 0 })
      }
    } catch (error) {
      for (const { reject } of questions) reject(error)
    }
  }

  #heads(companyIds: readonly string[]): Promise<EventHeads> {
    return this.#source.heads?.(companyIds) ?? this.#source.advance({ limit: ADVANCE_MAX, all: true })
  }
}
