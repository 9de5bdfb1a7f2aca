/** Compiles code blocks as if each were a file of this project, without writing any. */

import { join } from 'node:path'
import ts from 'typescript'
import type { CodeBlock } from './code-blocks.js'
import { PRELUDE } from './prelude.js'

const ROOT = join(import.meta.dirname, '..', '..')
const PRELUDE_FILE = join(ROOT, 'prelude.d.ts')

/** What the compiler says about each block that does not compile, as `path:line: message`. */
export function compile(blocks: readonly CodeBlock[]): readonly string[] {
  const texts = new Map(blocks.map(({ code }, index) => [fileOf(index), `${code}\nexport {}\n`]))
  texts.set(PRELUDE_FILE, PRELUDE)
  const options = compilerOptions()
  const host = ts.createCompilerHost(options)
  const virtual: ts.CompilerHost = {
    ...host,
    fileExists: (path) => texts.has(path) || host.fileExists(path),
    readFile: (path) => texts.get(path) ?? host.readFile(path),
    getSourceFile: (path, version, ...rest) => {
      const text = texts.get(path)
      return text === undefined
        ? host.getSourceFile(path, version, ...rest)
        : ts.createSourceFile(path, text, version)
    },
  }
  const program = ts.createProgram({ rootNames: [...texts.keys()], options, host: virtual })
  return blocks.flatMap(({ place }, index) => {
    const file = program.getSourceFile(fileOf(index))
    return ts.getPreEmitDiagnostics(program, file).map((found) => {
      const line = file?.getLineAndCharacterOfPosition(found.start ?? 0).line ?? 0
      return `${place}, line ${line + 1} of the block: ${ts.flattenDiagnosticMessageText(found.messageText, '\n')}`
    })
  })
}

function fileOf(index: number): string {
  return join(ROOT, `block-${index}.ts`)
}

function compilerOptions(): ts.CompilerOptions {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path))
  const { compilerOptions: given } = config.config as { compilerOptions: Record<string, unknown> }
  const { options } = ts.convertCompilerOptionsFromJson(given, ROOT)
  return { ...options, noUnusedLocals: false, noUnusedParameters: false }
}
