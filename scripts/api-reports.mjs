// The public API of every entry point as text under api/: a change of it is seen in review, not found by users.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryPoints } from './packages.mjs'
import { ROOT } from './processes.mjs'

const REPORTS = join(ROOT, 'api')

/** Compares the reports with the built packages; `{ code, output }`. */
export function checkApiReports() {
  const changed = report(false)
  if (changed.length === 0) return { code: 0, output: '' }
  const output = `The public API differs from ${changed.join(', ')}. If that is meant, run \`npm run api\`.`
  return { code: 1, output }
}

/** Makes the reports what the built packages are; an exit code. */
export function writeApiReports() {
  for (const file of report(true)) console.log(`wrote ${file}`)
  return 0
}

/** The reports that differ; with `write` they are written. */
function report(write) {
  const { CompilerState, Extractor, ExtractorConfig } = createRequire(join(ROOT, 'package.json'))(
    '@microsoft/api-extractor',
  )
  const scratch = mkdtempSync(join(tmpdir(), 'kerp-api-'))
  mkdirSync(REPORTS, { recursive: true })
  try {
    const entries = entryPoints()
    const configs = entries.map((entry) => ExtractorConfig.prepare(configOf(entry, scratch)))
    // One program for all of them: they share most of what they stand on.
    const compilerState = CompilerState.create(configs[0], {
      additionalEntryPoints: entries.map(({ types }) => types),
    })
    const options = {
      compilerState,
      localBuild: write,
      messageCallback: (message) => (message.handled = true),
    }
    return entries
      .filter((_, index) => Extractor.invoke(configs[index], options).apiReportChanged)
      .map(({ reportName }) => `api/${reportName}.api.md`)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function configOf({ folder, types, reportName }, scratch) {
  return {
    configObjectFullPath: undefined,
    packageJsonFullPath: join(folder, 'package.json'),
    packageJson: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: types,
      newlineKind: 'lf',
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            module: 'NodeNext',
            moduleResolution: 'NodeNext',
            target: 'ES2022',
            lib: ['ES2023', 'ESNext.Disposable'],
            types: ['node'],
            skipLibCheck: true,
            strict: true,
          },
          files: [types],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: reportName,
        reportFolder: REPORTS,
        reportTempFolder: scratch,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'none' } },
        extractorMessageReporting: { default: { logLevel: 'none' } },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  }
}
