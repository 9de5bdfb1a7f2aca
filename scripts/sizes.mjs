// What each entry point adds to a program that imports it alone, against its budget in scripts/size-budgets.json.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { entryPoints } from './packages.mjs'
import { ROOT } from './processes.mjs'

const BUDGETS = join(ROOT, 'scripts', 'size-budgets.json')

/** Resolves with `{ code, output }`; sizes are bytes after minifying and brotli, without other packages. */
export async function checkSizes() {
  const budgets = JSON.parse(readFileSync(BUDGETS, 'utf8'))
  const measured = await Promise.all(entryPoints().map(async (entry) => [entry.name, await sizeOf(entry)]))
  const faults = measured.flatMap(([name, bytes]) => {
    const budget = budgets[name]
    if (budget === undefined)
      return [`${name} has ${bytes} bytes and no budget in scripts/size-budgets.json.`]
    return bytes > budget ? [`${name} has ${bytes} bytes, at most ${budget}.`] : []
  })
  const gone = Object.keys(budgets).filter((name) => !measured.some(([known]) => known === name))
  faults.push(...gone.map((name) => `scripts/size-budgets.json: there is no entry point ${name}.`))
  return { code: faults.length === 0 ? 0 : 1, output: faults.join('\n') }
}

async function sizeOf({ code }) {
  const { build } = createRequire(join(ROOT, 'package.json'))('esbuild')
  const { outputFiles } = await build({
    entryPoints: [code],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
  return brotliCompressSync(outputFiles[0].contents).length
}
