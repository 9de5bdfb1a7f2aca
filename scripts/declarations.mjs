// The type declarations of all packages, from one program: a declaration file beside each built entry point, and
// beside it those that it stands on, once for `import` and once for `require`.
//
// A program of its own (`node scripts/declarations.mjs`), so that code is built at the same time. Types are not
// checked here: that is what `npm run typecheck` is for.

import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { entryPoints } from './packages.mjs'
import { ROOT } from './processes.mjs'

const ts = createRequire(join(ROOT, 'package.json'))('typescript')

/** A module of the same package, as a declaration names it. */
const SIBLING = /(\bfrom |\bimport\(|\bimport )(['"])(\.{1,2}\/[^'"]+)\.js\2/g

const entries = entryPoints()
const declarations = declare(entries.map(({ source }) => source))
for (const { folder, source } of entries) {
  for (const [file, text] of standsOn(source)) write(folder, file, text)
}

/** The text of the declarations by source file. */
function declare(rootNames) {
  const texts = new Map()
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: fail }
  const changed = { noEmit: false, incremental: false, declaration: true, noCheck: true }
  const { options } = ts.getParsedCommandLineOfConfigFile(join(ROOT, 'tsconfig.json'), changed, host)
  const program = ts.createProgram({ rootNames, options: { ...options, tsBuildInfoFile: undefined } })
  const { diagnostics } = program.emit(
    undefined,
    (_, text, __, ___, sources) => texts.set(sources[0].fileName, text),
    undefined,
    true,
  )
  for (const diagnostic of diagnostics) fail(diagnostic)
  return texts
}

/** A source file's declaration and all that it imports of its package, whatever imports what. */
function standsOn(source, found = new Map()) {
  if (found.has(source)) return found
  const text = declarations.get(source)
  found.set(source, text)
  for (const [, , , path] of text.matchAll(SIBLING)) standsOn(join(dirname(source), `${path}.ts`), found)
  return found
}

function write(folder, source, text) {
  const file = join(folder, 'dist', relative(join(folder, 'src'), source)).slice(0, -'.ts'.length)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.d.ts`, text)
  writeFileSync(`${file}.d.cts`, text.replace(SIBLING, '$1$2$3.cjs$2'))
}

function fail({ messageText }) {
  console.error(ts.flattenDiagnosticMessageText(messageText, '\n'))
  process.exitCode = 1
}
