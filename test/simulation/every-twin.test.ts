import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { TWINNED } from './twins.js'

const SOURCES = fileURLToPath(new URL('../../packages/registers/src/', import.meta.url))
const SCRIPT = /^(.+)\.lua\.ts$/

/** Of `probe-twins.ts`, beside those of `twins.ts`. */
const PROBES = 'write-probe'

test('every script of the registers has a twin that is held equal to it', () => {
  const scripts = readdirSync(SOURCES).flatMap((file) => SCRIPT.exec(file)?.[1] ?? [])
  expect(scripts.sort()).toEqual([...TWINNED, PROBES].sort())
})
