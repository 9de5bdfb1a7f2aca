/** Runs the demo as its user does, and reads what it printed. */

import { once } from 'node:events'
import { spawnSource } from './erp-process.js'

/** How a demo ended. */
export interface DemoRun {
  readonly code: number | null
  readonly output: string
  /** The last line, parsed. */
  readonly report: unknown
}

/** Runs the demo of the app to its end. */
export async function demo(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<DemoRun> {
  const child = await spawnSource('examples/erp/src/demo.ts', args, env)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  const lastLine = output.trimEnd().split('\n').at(-1) ?? ''
  return { code: child.exitCode, output, report: lastLine.startsWith('{') ? JSON.parse(lastLine) : undefined }
}
