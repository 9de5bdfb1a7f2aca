/** A checkout in a temporary folder with this project's scripts, a pretended npx and pretended tools. */

import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')

// Takes long enough that commands begun together all meet it, and notes how it was called.
const NPX = `#!/bin/sh
env > "$CHECKOUT/npx-environment"
echo "$*" >> "$CHECKOUT/npx-calls"
case "$*" in *" audit "*) echo "$AUDIT_ANSWER"; exit "\${AUDIT_CODE:-0}" ;; esac
[ -z "$NPX_FAILS" ] || { echo "ERR_PNPM_NOT_TODAY"; exit "$NPX_FAILS"; }
sleep 0.3
mkdir -p "$CHECKOUT/node_modules"
cp -R "$CHECKOUT/tools/." "$CHECKOUT/node_modules/"
`

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs. */
export interface Running {
  /** Settles when the command, and everything it started, has ended. */
  readonly ended: Promise<Ended>
  /** Resolves when the command's output contains the text. */
  says(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
}

/** A pretended checkout. */
export interface Checkout extends Disposable {
  readonly folder: string
  readonly lockFile: string
  /** The arguments of every npx that was called. */
  npxCalls(): readonly string[]
  npxEnvironment(): string
  /** Puts an ES module in the place of a tool's command. */
  pretend(packageName: string, code: string): void
  start(args: readonly string[], environment?: Readonly<Record<string, string>>): Running
  run(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Ended>
  /** Starts one of package.json's scripts through npm. */
  startByNpm(script: string): Running
}

/** Makes a checkout that is removed when it goes out of scope. */
export function pretendCheckout(): Checkout {
  const folder = mkdtempSync(join(tmpdir(), 'kerp-scripts-'))
  cpSync(join(ROOT, 'scripts'), join(folder, 'scripts'), { recursive: true })
  const scripts = { format: 'exec node scripts/bootstrap.mjs format' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ packageManager: 'pnpm@1.2.3', scripts }))
  writeFileSync(join(folder, 'pnpm-lock.yaml'), 'lockfileVersion: 9')
  writeFileSync(join(folder, 'pnpm-workspace.yaml'), 'packages: []')
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin', 'npx'), NPX, { mode: 0o755 })
  mkdirSync(join(folder, '.kerp'))
  const textOf = (name: string): string =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : ''

  const checkout: Checkout = {
    folder,
    lockFile: join(folder, '.kerp', 'install.lock'),
    npxCalls: () => textOf('npx-calls').split('\n').filter(Boolean),
    npxEnvironment: () => textOf('npx-environment'),
    pretend(packageName, code) {
      const tool = join(folder, 'tools', packageName)
      mkdirSync(tool, { recursive: true })
      writeFileSync(join(tool, 'package.json'), JSON.stringify({ type: 'module', bin: './tool.js' }))
      writeFileSync(join(tool, 'tool.js'), code)
    },
    start(args, environment = {}) {
      return start(process.execPath, [join(folder, 'scripts', 'bootstrap.mjs'), ...args], folder, environment)
    },
    run: (args, environment) => checkout.start(args, environment).ended,
    startByNpm: (script) => start('npm', ['--prefix', folder, 'run', script], folder),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
  checkout.pretend('@biomejs/biome', '')
  return checkout
}

function start(
  command: string,
  args: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Running {
  const path = [join(folder, 'bin'), process.env.PATH ?? ''].join(delimiter)
  const env = { ...process.env, PATH: path, CHECKOUT: folder, ...environment }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return {
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, ...output }))),
    says: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (output.stdout.includes(text)) resolve()
        }
        child.stdout.on('data', look)
        look()
      }),
    kill: (signal) => void child.kill(signal),
  }
}
