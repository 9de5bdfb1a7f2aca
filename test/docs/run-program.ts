/** Runs a program from the sources of this project in a process of its own. */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = join(import.meta.dirname, '..', '..')
const DEADLINE_MS = 50_000

/** How a program ended. */
export interface Ended {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

/** Runs TypeScript that imports packages by name. A program that does not end in 50 s is ended, and not ok. */
export async function runProgram(code: string): Promise<Ended> {
  mkdirSync(join(ROOT, '.kerp'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.kerp', 'block-'))
  const file = join(folder, 'block.ts')
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  try {
    writeFileSync(file, code)
    return await new Promise((resolve) => {
      execFile(
        process.execPath,
        ['--conditions=@kerp/source', '--import', tsx, file],
        { cwd: ROOT, timeout: DEADLINE_MS },
        (error, stdout, stderr) => resolve({ ok: error === null, stdout, stderr }),
      )
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
