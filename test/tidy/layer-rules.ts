/** Which package may know which other one, and that imports never run in a circle. */

import { posix } from 'node:path'
import { tableRowsOf } from './markdown.js'
import {
  ANY_SOURCE,
  importsOf,
  manifestOf,
  PACKAGE_SOURCE,
  packageNamedBy,
  packageOf,
  packagesOf,
  pathsOf,
  placeOf,
  type Rule,
  type SourceTree,
} from './source-tree.js'

interface Layer {
  /** Higher ones may import from lower ones only. */
  readonly number: number
  /** Packages of this project that it may depend on. */
  readonly may: readonly string[]
  /** Third parties that live here and are imported nowhere else. */
  readonly homeOf: readonly string[]
}

const TABLE = 'docs/architecture.md'

/** The table of layers as the document shows it, by package folder. */
function layersOf(tree: SourceTree): ReadonlyMap<string, Layer> {
  return new Map(
    tableRowsOf(tree, TABLE).flatMap(({ cells: [number = '', name = '', may = '', home = ''] }) => {
      const folder = /^`@kerp\/([a-z-]+)`$/.exec(name)?.[1]
      const layer = { number: Number(number), may: namesIn(may), homeOf: namesIn(home) }
      return folder === undefined ? [] : [[folder, layer] as const]
    }),
  )
}

// `ioredis (peer), ioredis-mock (optional peer of ./testing)` names two packages; so does `core, keys`.
function namesIn(cell: string): readonly string[] {
  const names = cell.replace(/\(.*?\)/g, '').split(',')
  return names.map((name) => name.trim()).filter((name) => name !== '' && name !== 'nothing')
}

function checkLayers(tree: SourceTree): readonly string[] {
  const layers = layersOf(tree)
  return packagesOf(tree).flatMap((name) => {
    const layer = layers.get(name)
    if (layer === undefined) return [`packages/${name}: give this package a row in the table of ${TABLE}.`]
    const allowed = new Set([...layer.may.map((other) => `@kerp/${other}`), ...layer.homeOf])
    const declared = Object.keys(manifestOf(tree, name).dependencies ?? {})
    const words = [...layer.may, ...layer.homeOf].join(', ') || 'nothing'
    return declared
      .filter((dependency) => !allowed.has(dependency))
      .map(
        (dependency) =>
          `packages/${name}/package.json: ${name} may not depend on ${dependency}; it may depend on ${words}.`,
      )
  })
}

function checkDownwards(tree: SourceTree): readonly string[] {
  const layers = layersOf(tree)
  return [...layers].flatMap(([name, { number, may }]) =>
    may
      .filter((other) => (layers.get(other)?.number ?? Number.POSITIVE_INFINITY) >= number)
      .map((other) => `${TABLE}: ${name} may not import ${other}, which is not in a layer below.`),
  )
}

function checkDeclared(tree: SourceTree): readonly string[] {
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) => {
    const { dependencies, peerDependencies } = manifestOf(tree, packageOf(path) ?? '')
    const declared = new Set([...Object.keys(dependencies ?? {}), ...Object.keys(peerDependencies ?? {})])
    return importsOf(tree, path).flatMap(({ specifier, node }) => {
      const named = packageNamedBy(specifier)
      if (named === undefined || declared.has(named)) return []
      return [`${placeOf(path, node)}: imports ${named}, which the package.json beside src does not name.`]
    })
  })
}

function checkHomes(tree: SourceTree): readonly string[] {
  const homes = new Map(
    [...layersOf(tree)].flatMap(([home, { homeOf }]) => homeOf.map((name) => [name, home] as const)),
  )
  return pathsOf(tree, PACKAGE_SOURCE).flatMap((path) =>
    importsOf(tree, path).flatMap(({ specifier, node }) => {
      const named = packageNamedBy(specifier)
      if (named === undefined || named.startsWith('@kerp/')) return []
      const home = homes.get(named)
      if (home === packageOf(path)) return []
      if (home === undefined)
        return [`${placeOf(path, node)}: give ${named} a home in the table of ${TABLE}.`]
      return [`${placeOf(path, node)}: only ${home} imports ${named}; use what ${home} exports.`]
    }),
  )
}

// Tests may look inside a package; what shows how it is used may not.
const USER = /^(?:packages|examples|bench)\/.*\.ts$/

function checkPublicNames(tree: SourceTree): readonly string[] {
  return pathsOf(tree, USER).flatMap((path) =>
    importsOf(tree, path)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ specifier }) => {
        const target = posix.join(posix.dirname(path), specifier)
        return packageOf(target) !== undefined && packageOf(target) !== packageOf(path)
      })
      .map(
        ({ node, specifier }) =>
          `${placeOf(path, node)}: import the package by name instead of ${specifier}.`,
      ),
  )
}

function checkCycles(tree: SourceTree): readonly string[] {
  const paths = pathsOf(tree, ANY_SOURCE)
  const edges = new Map(paths.map((path) => [path, filesImportedBy(tree, path)]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path)
    if (start >= 0) found.push(`${[...way.slice(start), path].join(' → ')}: break this circle of imports.`)
    if (start >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const path of paths) visit(path, [])
  return found
}

function filesImportedBy(tree: SourceTree, path: string): readonly string[] {
  return importsOf(tree, path)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts'))
    .filter((target) => tree.has(target))
}

const table = [
  '| layer | package | may import | third party at home here |',
  '| --- | --- | --- | --- |',
  '| 2 | `@kerp/redis` | core, registers | ioredis (peer) |',
  '| 3 | `@kerp/registers` | core, redis | |',
  '| 1 | `@kerp/keys` | core | |',
  '| 0 | `@kerp/core` | nothing | |',
].join('\n')

/** Layers, homes of third parties, public names, cycles. */
export const layerRules: readonly Rule[] = [
  {
    title: 'a package depends only on the packages below its layer',
    check: checkLayers,
    counterexample: {
      [TABLE]: table,
      'packages/keys/package.json': '{ "dependencies": { "@kerp/core": "1", "@kerp/redis": "1" } }',
    },
    finds: 'packages/keys/package.json: keys may not depend on @kerp/redis; it may depend on core.',
  },
  {
    title: 'the table of layers points down only',
    check: checkDownwards,
    counterexample: { [TABLE]: table },
    finds: 'docs/architecture.md: redis may not import registers, which is not in a layer below.',
  },
  {
    title: 'a package imports only what its package.json names',
    check: checkDeclared,
    counterexample: {
      'packages/keys/package.json': '{ "dependencies": {} }',
      'packages/keys/src/keys.ts': `import type { Clock } from '@kerp/core'`,
    },
    finds: 'packages/keys/src/keys.ts:1: imports @kerp/core',
  },
  {
    title: 'a third party is imported by its one home only',
    check: checkHomes,
    counterexample: {
      [TABLE]: table,
      'packages/registers/src/relay.ts': `\nconst redis = await import('ioredis')`,
    },
    finds: 'packages/registers/src/relay.ts:2: only redis imports ioredis',
  },
  {
    title: 'whoever uses a package imports it by its public name',
    check: checkPublicNames,
    counterexample: { 'bench/keys.bench.ts': `import { x } from '../packages/keys/src/keys.js'` },
    finds: 'bench/keys.bench.ts:1: import the package by name',
  },
  {
    title: 'no imports run in a circle, not even those of types',
    check: checkCycles,
    counterexample: {
      'packages/core/src/a.ts': `import type { B } from './b.js'`,
      'packages/core/src/b.ts': `export { c } from './c.js'`,
      'packages/core/src/c.ts': `import { a } from './a.js'`,
    },
    finds:
      'packages/core/src/a.ts → packages/core/src/b.ts → packages/core/src/c.ts → packages/core/src/a.ts',
  },
]
