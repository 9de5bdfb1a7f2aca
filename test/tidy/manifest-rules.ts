/** Every package says in the same words what it publishes. */

import { isDeepStrictEqual } from 'node:util'
import { packagesOf, type Rule, type SourceTree } from './source-tree.js'

type Fields = Readonly<Record<string, unknown>>

const FIXED: Fields = {
  license: 'MIT',
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20.19' },
  main: './dist/index.cjs',
  module: './dist/index.js',
  types: './dist/index.d.cts',
  files: ['dist', 'src'],
}

function fieldsOf(tree: SourceTree, name: string): Fields {
  return JSON.parse(tree.get(`packages/${name}/package.json`) ?? '{}') as Fields
}

function fileOf(entry: string): string {
  return entry === '.' ? 'index' : entry.slice('./'.length)
}

/** What an entry point looks like: the source for this project, and types and code for both module systems. */
function conditionsOf(entry: string): Fields {
  const file = fileOf(entry)
  return {
    '@kerp/source': `./src/${file}.ts`,
    import: { types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` },
    require: { types: `./dist/${file}.d.cts`, default: `./dist/${file}.cjs` },
  }
}

function checkManifests(tree: SourceTree): readonly string[] {
  return packagesOf(tree).flatMap((name) => {
    const fields = fieldsOf(tree, name)
    const entries = Object.keys((fields.exports ?? {}) as Fields).filter(
      (entry) => entry !== './package.json',
    )
    const beyondIndex = entries.filter((entry) => entry !== '.').map(fileOf)
    const wanted: Fields = {
      ...FIXED,
      name: `@kerp/${name}`,
      exports: {
        ...Object.fromEntries(entries.map((entry) => [entry, conditionsOf(entry)])),
        './package.json': './package.json',
      },
      // What resolves modules without `exports` finds the types of the other entry points here.
      typesVersions:
        beyondIndex.length === 0
          ? undefined
          : { '*': Object.fromEntries(beyondIndex.map((file) => [file, [`./dist/${file}.d.cts`]])) },
    }
    return Object.entries(wanted)
      .filter(([field, value]) => !isDeepStrictEqual(fields[field], value))
      .map(
        ([field, value]) =>
          `packages/${name}/package.json: \`${field}\` must be ${value === undefined ? 'left out' : JSON.stringify(value)}.`,
      )
  })
}

function checkEntrySources(tree: SourceTree): readonly string[] {
  return packagesOf(tree).flatMap((name) =>
    Object.keys((fieldsOf(tree, name).exports ?? {}) as Fields)
      .filter((entry) => entry !== './package.json')
      .map((entry) => `packages/${name}/src/${fileOf(entry)}.ts`)
      .filter((path) => !tree.has(path))
      .map((path) => `${path}: package.json exports this file; write it or take the entry point out.`),
  )
}

/** What packages publish. */
export const manifestRules: readonly Rule[] = [
  {
    title: 'every package.json publishes in the same words',
    check: checkManifests,
    counterexample: {
      'packages/core/package.json': '{ "name": "@kerp/core", "exports": { ".": {}, "./testing": {} } }',
    },
    finds: 'packages/core/package.json: `typesVersions` must be {"*":{"testing":["./dist/testing.d.cts"]}}.',
  },
  {
    title: 'every entry point has its source',
    check: checkEntrySources,
    counterexample: { 'packages/core/package.json': '{ "exports": { ".": {}, "./testing": {} } }' },
    finds: 'packages/core/src/testing.ts: package.json exports this file',
  },
]
