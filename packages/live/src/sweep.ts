/** Once a second: who is silent, who takes nothing, who never said who it is, whose time is over. */

import type { Complete } from '@kerp/core'
import type { CloseReason } from './close-codes.js'
import type { HubClient } from './hub-client.js'
import type { LiveLimits } from './hub-options.js'

type Bounds = Complete<Pick<LiveLimits, 'stalledMsMax' | 'heartbeatMs' | 'ticketMsMax' | 'goodbyeMsMax'>>

/** What must happen to a client now: a close code's word, `ask` for a sign of life, or `end`. */
export type Verdict = CloseReason | 'ask' | 'end' | undefined

/** Looks at one client. Bytes that leave are movement, whether or not the client says anything. */
export function judge(client: HubClient, nowMs: number, bounds: Bounds): Verdict {
  if (client.closingMs !== undefined)
    return nowMs - client.closingMs > bounds.goodbyeMsMax ? 'end' : undefined
  if (client.principal === undefined) {
    return nowMs - client.connectedMs > bounds.ticketMsMax ? 'noTicket' : undefined
  }
  const { lifetimeMs } = client.principal
  if (lifetimeMs !== undefined && nowMs - client.connectedMs > lifetimeMs) return 'ticket'
  if (client.stalledMs(nowMs) > bounds.stalledMsMax) return 'slow'
  const { laggingSinceMs } = client
  if (laggingSinceMs !== undefined && nowMs - laggingSinceMs > bounds.stalledMsMax) return 'slow'
  const silentMs = nowMs - client.heardMs
  if (silentMs > 2 * bounds.heartbeatMs) return 'end'
  return silentMs > bounds.heartbeatMs && !client.isAsked ? 'ask' : undefined
}
