/** How many connections there are, of everybody and of each address, user and company. */

import { type Complete, joinNames } from '@kerp/core'
import type { LiveLimits } from './hub-options.js'

type Bounds = Complete<
  Pick<
    LiveLimits,
    'connectionsMax' | 'connectionsPerAddressMax' | 'connectionsPerUserMax' | 'connectionsPerCompanyMax'
  >
>

/** Counts of what is connected; an entry goes with its last connection. */
export class ConnectionCounts {
  readonly #bounds: Bounds
  readonly #counts = new Map<string, number>()
  #total = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  get total(): number {
    return this.#total
  }

  /** Takes a place for a connection from an address. False when there is none. */
  enter(address: string): boolean {
    if (this.#total >= this.#bounds.connectionsMax) return false
    if (!this.#add(`a ${address}`, this.#bounds.connectionsPerAddressMax)) return false
    this.#total += 1
    return true
  }

  /** Gives the place back. */
  leave(address: string): void {
    this.#total -= 1
    this.#remove(`a ${address}`)
  }

  /** Takes a place for a user of a company. False when there is none. */
  admit(who: { readonly companyId: string; readonly user: string }): boolean {
    if (!this.#add(`c ${who.companyId}`, this.#bounds.connectionsPerCompanyMax)) return false
    if (this.#add(userName(who), this.#bounds.connectionsPerUserMax)) return true
    this.#remove(`c ${who.companyId}`)
    return false
  }

  /** Gives the place back. */
  dismiss(who: { readonly companyId: string; readonly user: string }): void {
    this.#remove(`c ${who.companyId}`)
    this.#remove(userName(who))
  }

  #add(name: string, max: number): boolean {
    const count = this.#counts.get(name) ?? 0
    if (count >= max) return false
    this.#counts.set(name, count + 1)
    return true
  }

  #remove(name: string): void {
    const count = (this.#counts.get(name) ?? 0) - 1
    if (count > 0) this.#counts.set(name, count)
    else this.#counts.delete(name)
  }
}

function userName({ companyId, user }: { readonly companyId: string; readonly user: string }): string {
  return joinNames(['u', companyId, user], ' ')
}
