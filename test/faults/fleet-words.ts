/** What the processes of the fleet are told, and what they tell. */

/** How a process of the fleet is started; the one argument of its script. */
export interface FleetOrder {
  readonly role: 'client' | 'relay'
  readonly redisPath: string
  readonly databaseUrl: string
  readonly companyId: string
  readonly seed: number
  readonly maxStalenessMs: number
}

/** What a client is told. `rest` ends posting and reading, `look` reads everything once. */
export type FleetCommand = 'go' | 'rest' | 'look'

/** What a client saw since it last told. */
export interface FleetNews {
  /** Each state, and when the last read that was answered with it began, in ms of this machine's steady clock. */
  readonly answers: readonly (readonly [state: string, beganMs: number])[]
  /** Rows that a committed voucher gave these versions, and a moment after the commit was acknowledged. */
  readonly acknowledged: readonly (readonly [account: string, version: number, ackMs: number])[]
  readonly failures: readonly (readonly [code: string, atMs: number])[]
  /** What must never be: a token that was not honoured, a cut that does not balance. */
  readonly wrong: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

/** What a client says. */
export type FleetAnswer =
  | { readonly is: 'ready' | 'resting' }
  | { readonly is: 'news'; readonly news: FleetNews }
  | { readonly is: 'looked'; readonly states: readonly string[] }

/** Few, so that every one of them is hot. */
export const FLEET_ACCOUNTS: readonly string[] = Array.from({ length: 8 }, (_, index) => `A${index}`)

/** Steady, and the same for all processes of a machine. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
