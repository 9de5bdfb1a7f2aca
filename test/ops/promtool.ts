/** Runs promtool, and Prometheus, from Debian's package. */

import { spawnSync } from 'node:child_process'

/** What a run said. */
export interface ToolRun {
  readonly code: number | null
  readonly output: string
}

/** @throws {Error} one sentence that names the package, when promtool is not on PATH. */
export function promtool(args: readonly string[], input?: string): ToolRun {
  const run = spawnSync('promtool', args, { input: input ?? '', encoding: 'utf8', timeout: 60_000 })
  if (run.error !== undefined && 'code' in run.error && run.error.code === 'ENOENT') {
    throw new Error(
      'This test needs promtool on PATH: install the package prometheus (`apt-get install prometheus`).',
    )
  }
  return { code: run.status, output: `${run.stdout}${run.stderr}` }
}
