/** What a piece of code may use without saying where it comes from: what every host has open. */

const DECLARED: Readonly<Record<string, string>> = {
  redis: "import('@kerp/redis').RedisClient",
  pool: "import('pg').Pool",
  client: "import('pg').PoolClient",
  observer: "import('@kerp/core').Observer",
  keys: "import('@kerp/keys').Keys",
  source: "import('@kerp/core').RegisterSource",
  registers: "import('@kerp/registers').Registers",
  companyId: 'string',
  lock: "{ readonly fence: import('@kerp/postgres').FencedRow['fence'] }",
  pg: "typeof import('pg')",
  Registry: "typeof import('prom-client').Registry",
}

/** Declarations for the compiler. */
export const PRELUDE = Object.entries(DECLARED)
  .map(([name, type]) => `declare const ${name}: ${type}\n`)
  .join('')

/** Whether code needs something that is only declared, so that it can be compiled but not run. */
export function needsPrelude(code: string): boolean {
  const given = identifiersIn(code)
  return Object.keys(DECLARED).some((name) => given.has(name) && !declares(code, name))
}

/** Every word of code that can be a name, save properties. */
export function identifiersIn(code: string): ReadonlySet<string> {
  return new Set([...code.matchAll(/(?<![.\w'"`])[A-Za-z_]\w*(?!\w*\s*:)/g)].map(([name]) => name))
}

/** Whether code itself declares or imports a name. */
export function declares(code: string, name: string): boolean {
  return new RegExp(
    `\\b(?:const|let|function|class)\\s+${name}\\b|\\bimport\\b[^;]*\\b${name}\\b[^;]*\\bfrom\\b`,
  ).test(code)
}
