/**
 * What a relay tells all readers at the end of a pass: how far it is, and which of their probes it had read before it
 * began.
 *
 * `h1|relay|tick|epoch|target|asOfMs`, then a line `process|probe` for each. Whoever finds a probe of its own knows
 * that `target` was taken after the moment in which it sent that probe.
 */

/** One heartbeat. */
export interface Heartbeat {
  /** Names the relay, for as long as its process runs. */
  readonly relay: string
  /** Grows by one with each heartbeat of the relay. */
  readonly tick: number
  readonly epoch: string
  /** The position of the outbox that the pass took after it had read the probes. */
  readonly target: string
  /** The database's clock at `target`, in ms since 1970. */
  readonly asOfMs: number
  /** The newest probe of each process. */
  readonly probes: ReadonlyMap<string, number>
}

const HEAD = /^h1\|([0-9a-f]+)\|(\d{1,15})\|([^|]+)\|([^|]+)\|(\d{1,15})$/
const PROBE = /^([0-9a-f]+)\|(\d{1,15})$/

/** A heartbeat as it is published. */
export function formatHeartbeat(beat: Heartbeat): string {
  const { relay, tick, epoch, target, asOfMs, probes } = beat
  const lines = [...probes].map(([process, probe]) => `\n${process}|${probe}`)
  return `h1|${relay}|${tick}|${epoch}|${target}|${Math.floor(asOfMs)}${lines.join('')}`
}

/** The heartbeat in a message, or undefined for a message that no relay published. */
export function parseHeartbeat(message: string): Heartbeat | undefined {
  const [head = '', ...lines] = message.split('\n')
  const [, relay, tick, epoch, target, asOfMs] = HEAD.exec(head) ?? []
  if (relay === undefined || epoch === undefined || target === undefined) return undefined
  const probes = new Map<string, number>()
  for (const line of lines) {
    const [, process, probe] = PROBE.exec(line) ?? []
    if (process === undefined) return undefined
    probes.set(process, Number(probe))
  }
  return { relay, tick: Number(tick), epoch, target, asOfMs: Number(asOfMs), probes }
}
