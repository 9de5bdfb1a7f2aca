// Known holes in what is installed with these packages, as the registry knows them.

import { runPnpm } from './install.mjs'

const ANSWER_MS = 60_000
const LEVELS = ['high', 'critical']
const SHOWN_MAX = 20

/**
 * Fails for a hole of level high or critical. A registry that gives no answer is said in the line of the result, and
 * fails only with KERP_AUDIT=strict, as a release has it: a machine without a network is not at fault.
 */
export async function auditDependencies(environment = process.env) {
  const args = ['audit', '--prod', '--audit-level', 'high', '--json']
  const { stdout } = await runPnpm(args, { timeout: ANSWER_MS })
  const holes = holesIn(stdout)
  if (holes !== undefined)
    return { code: holes.length === 0 ? 0 : 1, output: holes.slice(0, SHOWN_MAX).join('\n') }
  const reason = /"(ERR_[A-Z_]{1,60})"/.exec(stdout)?.[1] ?? `within ${ANSWER_MS / 1_000} s`
  const note = `nothing was audited, because the registry gave no answer (${reason})`
  return { code: environment.KERP_AUDIT === 'strict' ? 1 : 0, output: '', note }
}

/** One line for each hole, or undefined when this is no answer to the question. */
function holesIn(text) {
  let answer
  try {
    answer = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof answer?.advisories !== 'object' || answer.metadata?.vulnerabilities === undefined)
    return undefined
  return Object.values(answer.advisories)
    .filter(({ severity }) => LEVELS.includes(severity))
    .map(({ module_name: name, severity, title, url }) => `${name}: ${severity}: ${title} (${url})`)
}
