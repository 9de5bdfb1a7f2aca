/** What machines ask over HTTP, answered in the same words whatever framework carries it. */

import type { HealthReport } from '@kerp/core'
import type { Metrics } from '@kerp/metrics'

/** The paths, below whatever the host mounts them at. */
export const PROBE_PATHS = ['/healthz', '/readyz', '/metrics'] as const

/** `/healthz`: is the process alive · `/readyz`: send it requests · `/metrics`: what has it counted. */
export type ProbePath = (typeof PROBE_PATHS)[number]

/** An answer for any HTTP server. */
export interface ProbeAnswer {
  /** 200; 503 of a process that is not ready; 404 for metrics that nobody counts. */
  readonly status: 200 | 404 | 503
  readonly contentType: string
  /** In pieces, so that a large exposition does not hold up the event loop. */
  readonly body: Iterable<string> | AsyncIterable<string>
}

/** What is asked. */
export interface Probed {
  health(): Promise<HealthReport>
  readonly metrics: Pick<Metrics, 'exposition'> | undefined
}

/** Whether a path is one of ours. */
export function isProbePath(path: string): path is ProbePath {
  return PROBE_PATHS.some((probe) => probe === path)
}

/** Answers one probe. Never throws. */
export async function answerProbe(
  path: ProbePath,
  probed: Probed,
  registry: { readonly contentType: string } | undefined,
): Promise<ProbeAnswer> {
  if (path === '/healthz') return json(200, { ok: true })
  if (path === '/readyz') {
    const report = await probed.health()
    return json(report.ready ? 200 : 503, report)
  }
  if (probed.metrics === undefined || registry === undefined) return json(404, { error: 'no registry' })
  return { status: 200, contentType: registry.contentType, body: probed.metrics.exposition() }
}

function json(status: ProbeAnswer['status'], value: unknown): ProbeAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: [JSON.stringify(value)] }
}
