// Tests that run with one fault put into the code: of Stryker, which copies the tree and puts it into the copy, or of
// `texts.json`, which is put into a text as it is loaded.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vitest/config'
import base from '../../vitest.config.js'

interface Target {
  readonly tests: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, { readonly '@kerp/source'?: string }>>
}

interface TextMutation {
  readonly file: string
  readonly search: string
  readonly replace: string
}

const root = process.cwd()
const { KERP_MUTATED_FILE: mutatedFile, KERP_MUTATED_TEXT: mutatedText } = process.env

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}

// In the copy, node_modules leads back to the tree that was copied; the packages must be those of the copy.
function packagesHere(): { find: RegExp; replacement: string }[] {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const manifest = readJson(`packages/${name}/package.json`) as Manifest
    return Object.entries(manifest.exports).flatMap(([entry, { '@kerp/source': source }]) => {
      if (source === undefined) return []
      const specifier = manifest.name + entry.slice(1)
      return { find: new RegExp(`^${specifier}$`), replacement: join(root, 'packages', name, source) }
    })
  })
}

function faultInText({ file, search, replace }: TextMutation): Plugin {
  return {
    name: 'kerp-fault-in-text',
    enforce: 'pre',
    transform(code, id) {
      if (id.split('?')[0] !== join(root, file)) return undefined
      return { code: code.replace(search, () => replace), map: null }
    },
  }
}

function faultyText(): Plugin[] {
  if (mutatedText === undefined) return []
  const mutation = (readJson('test/mutation/texts.json') as TextMutation[])[Number(mutatedText)]
  if (mutation === undefined) throw new Error(`test/mutation/texts.json has no entry ${mutatedText}`)
  return [faultInText(mutation)]
}

function oneFile(file: string) {
  const target = (readJson('test/mutation/files.json') as Record<string, Target>)[file]
  if (target === undefined) throw new Error(`test/mutation/files.json does not name ${file}`)
  return defineConfig({
    ...base,
    resolve: { alias: packagesHere() },
    // A module that keeps state must not carry the state of one fault to the next.
    test: { pool: 'forks', testTimeout: 60_000, include: [...target.tests], isolate: true },
  })
}

export default mutatedFile === undefined
  ? defineConfig({ ...base, plugins: faultyText() })
  : oneFile(mutatedFile)
