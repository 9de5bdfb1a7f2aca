/**
 * The ES modules and the CommonJS of every package in one process: each error class of one copy recognises the errors
 * of the other, and no others. Runs as an ES module, from packed packages (`npm run matrix`).
 */

import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { createRequire } from 'node:module'

const PACKAGES = [
  'core',
  'keys',
  'redis',
  'registers',
  'pubsub',
  'balance-cache',
  'cache',
  'inventory-lock',
  'worker-pool',
  'postgres',
] as const

/** As many as there were when this was written: a loop over nothing would prove nothing. */
const CLASSES_MIN = 40

type ErrorClass = (new (...args: never[]) => Error) & { readonly prototype: object }

const require = createRequire(import.meta.url)

function errorsOf(names: Readonly<Record<string, unknown>>): readonly (readonly [string, ErrorClass])[] {
  return Object.entries(names).filter((entry): entry is [string, ErrorClass] => {
    const [name, value] = entry
    return typeof value === 'function' && /^[A-Z]\w*Error$/.test(name)
  })
}

/** An error of a class without knowing what its constructor takes. */
function anyOf(errorClass: ErrorClass): unknown {
  return Object.create(errorClass.prototype)
}

const esm: [string, ErrorClass][] = []
const cjs = new Map<string, ErrorClass>()
for (const name of PACKAGES) {
  const [asModule, asCommonJs] = [
    (await import(`@kerp/${name}`)) as Record<string, unknown>,
    require(`@kerp/${name}`) as Record<string, unknown>,
  ]
  deepEqual(Object.keys(asCommonJs).sort(), Object.keys(asModule).sort())
  for (const [errorName, errorClass] of errorsOf(asModule)) esm.push([errorName, errorClass])
  for (const [errorName, errorClass] of errorsOf(asCommonJs)) cjs.set(errorName, errorClass)
}

ok(esm.length >= CLASSES_MIN, `${esm.length} error classes were found`)
for (const [name, here] of esm) {
  const there = cjs.get(name)
  if (there === undefined) throw new Error(`${name} is missing in CommonJS`)
  ok(here !== there, `${name} is one copy`)
  ok(anyOf(here) instanceof there && anyOf(there) instanceof here, `${name} is not recognised`)
}

// A class is recognised as itself and as those that it extends, and as nothing else.
const { KerpError } = Object.fromEntries(esm)
if (KerpError === undefined) throw new Error('there is no KerpError')
for (const [name, here] of esm) {
  const taken = [...cjs].filter(([, there]) => anyOf(there) instanceof here).map(([other]) => other)
  const extending = [...cjs].filter(([, there]) => lineage(there).includes(name)).map(([other]) => other)
  deepEqual(taken, extending)
}

function lineage(errorClass: unknown): readonly string[] {
  if (typeof errorClass !== 'function' || errorClass === Error) return []
  const name: unknown = Reflect.get(errorClass, 'errorName') // a bundler may have renamed the class
  return [String(name), ...lineage(Object.getPrototypeOf(errorClass))]
}

const { parseAmount } = require('@kerp/core') as { parseAmount: (text: string, currency: string) => bigint }
throws(() => parseAmount('x', 'KRW'), KerpError)
equal(parseAmount('7', 'KRW'), 7n)
console.log('every error is recognised by both copies')
