// Everything a reviewer would run, two at a time, each with one line of result.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkApiReports } from './api-reports.mjs'
import { auditDependencies } from './audit.mjs'
import { buildPackages, checkPublishing, checkTypeResolution, packPackages } from './packages.mjs'
import { binOf, runQuietly } from './processes.mjs'
import { runQuickStart } from './quick-start.mjs'
import { checkSizes } from './sizes.mjs'

const SLOTS = 2

/**
 * The checks by name; `needs` come first. Each resolves with `{ code, output }`, and perhaps with a `note` for its line.
 */
export const CHECKS = {
  build: { run: () => buildPackages() },
  format: { run: () => runTool('@biomejs/biome', ['ci', '--colors=off', '.']) },
  lint: { run: () => runTool('eslint', ['--max-warnings=0', '.']) },
  typecheck: { run: () => runTool('typescript', [], 'tsc') },
  audit: { run: () => auditDependencies() },
  unused: { run: () => runTool('knip', ['--no-progress']) },
  pack: { needs: 'build', run: packPackages },
  publint: { needs: 'pack', run: checkPublishing },
  attw: { needs: 'pack', run: checkTypeResolution },
  api: { needs: 'build', run: () => checkApiReports() },
  sizes: { needs: 'build', run: () => checkSizes() },
  'quick-start': { needs: 'pack', run: runQuickStart },
}

/** Runs checks by name, with what they need, and resolves with 0 if all of them hold. */
export async function runChecks(names) {
  const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name))
  if (unknown.length > 0) {
    console.error(
      `There is no check called ${unknown.join(', ')}; there are ${Object.keys(CHECKS).join(', ')}.`,
    )
    return 2
  }
  const tarballs = mkdtempSync(join(tmpdir(), 'kerp-check-'))
  const slots = createSlots(SLOTS)
  const outcomes = new Map()
  const outcomeOf = (name) => {
    if (!outcomes.has(name)) outcomes.set(name, runCheck(name, slots, outcomeOf, tarballs))
    return outcomes.get(name)
  }
  try {
    await Promise.all(names.map(outcomeOf))
    const held = await Promise.all(outcomes.values())
    const failed = held.filter((ok) => !ok).length
    console.log(`${held.length - failed} passed, ${failed} failed`)
    return failed === 0 ? 0 : 1
  } finally {
    rmSync(tarballs, { recursive: true, force: true })
  }
}

async function runCheck(name, slots, outcomeOf, tarballs) {
  const { needs, run } = CHECKS[name]
  if (needs !== undefined && !(await outcomeOf(needs))) {
    console.log(`FAILED  ${name}, because ${needs} failed`)
    return false
  }
  return slots(async () => {
    const begun = performance.now()
    const { code, output, note = '' } = await run(tarballs)
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    if (code !== 0 && output.trim() !== '') console.log(output.trimEnd())
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'}  ${name}  ${seconds} s${note && `: ${note}`}`)
    return code === 0
  })
}

function createSlots(count) {
  const waiting = []
  let free = count
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

function runTool(packageName, args, command) {
  return runQuietly(process.execPath, [binOf(packageName, command), ...args])
}
