// The only build config. It runs once per package (the working directory is the package),
// so that its entries are exactly the package's `exports` and siblings stay external.
// Declarations come from `scripts/declarations.mjs`, for all packages at once.
import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

interface Manifest {
  readonly exports: Record<string, string | { readonly '@kerp/source': string }>
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const entry = Object.values(manifest.exports).flatMap((target) =>
  typeof target === 'object' ? [target['@kerp/source']] : [],
)

export default defineConfig({
  entry,
  format: ['esm', 'cjs'],
  target: 'node20',
  sourcemap: true,
  shims: true,
  splitting: true,
  // Published as ES module only: our CommonJS build carries it inside.
  noExternal: ['p-limit'],
  tsconfig: '../../tsconfig.json',
})
