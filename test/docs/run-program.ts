/** Runs programs from the sources of this project, each in a process of its own. */

import { execFile } from 'node:child_process'
import { argsOfText, compileTexts } from '../support/programs.js'

const DEADLINE_MS = 50_000

/** How a program ended. */
export interface Ended {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

/** Compiles programs that will run, all at once; one that is not among them is compiled when it runs. */
export const preparePrograms = compileTexts

/** Runs TypeScript that imports packages by name. A program that does not end in 50 s is ended, and not ok. */
export async function runProgram(code: string): Promise<Ended> {
  const args = await argsOfText(code)
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: DEADLINE_MS }, (error, stdout, stderr) =>
      resolve({ ok: error === null, stdout, stderr }),
    )
  })
}
