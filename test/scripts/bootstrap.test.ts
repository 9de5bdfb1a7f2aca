import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pretendCheckout } from './checkout.js'

describe('installing', () => {
  test('what is missing is installed once, by the pinned pnpm, and not again', async () => {
    using checkout = pretendCheckout()
    expect((await checkout.run(['format'])).code).toBe(0)
    expect((await checkout.run(['format'])).code).toBe(0)
    expect(checkout.npxCalls()).toEqual([expect.stringContaining('-y pnpm@1.2.3 install --frozen-lockfile')])
  })

  test('commands begun at the same time install once and all succeed', async () => {
    using checkout = pretendCheckout()
    const all = await Promise.all(Array.from({ length: 5 }, () => checkout.run(['format'])))
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0])
    expect(checkout.npxCalls()).toHaveLength(1)
  })

  test('a changed lockfile is installed anew', async () => {
    using checkout = pretendCheckout()
    await checkout.run(['format'])
    writeFileSync(join(checkout.folder, 'pnpm-lock.yaml'), 'lockfileVersion: 10')
    await checkout.run(['format'])
    expect(checkout.npxCalls()).toHaveLength(2)
  })

  test('a lock that a dead process left behind holds nobody up', async () => {
    using checkout = pretendCheckout()
    writeFileSync(checkout.lockFile, 'another-machine 1')
    utimesSync(checkout.lockFile, 0, 0)
    expect((await checkout.run(['format'])).code).toBe(0)
  })

  test('settings that a calling package manager left behind do not reach it, the way to a registry does', async () => {
    using checkout = pretendCheckout()
    await checkout.run(['format'], {
      NODE_ENV: 'production',
      npm_config_production: 'true',
      npm_config_ignore_scripts: 'true',
      npm_config_verify_deps_before_run: 'false',
      npm_config_https_proxy: 'http://proxy.example',
    })
    const environment = checkout.npxEnvironment()
    expect(environment).not.toMatch(/NODE_ENV|production|ignore_scripts|verify_deps/)
    expect(environment).toContain('npm_config_https_proxy=http://proxy.example')
  })

  test('a failed installation shows what pnpm said, keeps its exit code and is tried again next time', async () => {
    using checkout = pretendCheckout()
    const failed = await checkout.run(['format'], { NPX_FAILS: '9' })
    expect(failed.code).toBe(9)
    expect(failed.stderr).toContain('ERR_PNPM_NOT_TODAY')
    expect((await checkout.run(['format'])).code).toBe(0)
  })
})

describe('commands', () => {
  test('the exit code of a command is kept', async () => {
    using checkout = pretendCheckout()
    checkout.pretend('@biomejs/biome', 'process.exitCode = 7')
    expect((await checkout.run(['format'])).code).toBe(7)
  })

  test('a signal reaches the command, which decides how it ends', async () => {
    using checkout = pretendCheckout()
    checkout.pretend(
      '@biomejs/biome',
      `process.once('SIGTERM', () => process.exit(3)); setTimeout(() => {}, 20_000); console.log('ready')`,
    )
    const running = checkout.start(['format'])
    await running.says('ready')
    running.kill('SIGTERM')
    expect((await running.ended).code).toBe(3)
  })

  test('a signal that comes twice at once is passed on once', async () => {
    using checkout = pretendCheckout()
    checkout.pretend(
      '@biomejs/biome',
      `let times = 0
      process.on('SIGTERM', () => {
        times += 1
        console.log('heard')
        setTimeout(() => process.exit(times), 300)
      })
      setTimeout(() => {}, 20_000)
      console.log('ready')`,
    )
    const running = checkout.start(['format'])
    await running.says('ready')
    running.kill('SIGTERM')
    await running.says('heard')
    running.kill('SIGTERM')
    expect((await running.ended).code).toBe(1)
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`a command cleans up and ends when the npm that started it gets ${signal}`, async () => {
      using checkout = pretendCheckout()
      checkout.pretend(
        '@biomejs/biome',
        `process.on('SIGTERM', () => { console.log('cleaned up'); process.exit() })
        setTimeout(() => {}, 20_000)
        console.log('ready')`,
      )
      const running = checkout.startByNpm('format')
      await running.says('ready')
      running.kill(signal)
      expect((await running.ended).stdout).toContain('cleaned up')
    })
  }

  test('an unknown command is answered with the known ones', async () => {
    using checkout = pretendCheckout()
    const { code, stderr } = await checkout.run(['tset'])
    expect(code).toBe(2)
    expect(stderr).toContain('demo, app, bench, test, test:unit, test:faults')
  })

  test('an old Node is told in one sentence which one is needed', async () => {
    using checkout = pretendCheckout()
    const pretendOld = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.19.0'})`
    const { code, stderr } = await checkout.run(['demo'], { NODE_OPTIONS: `--import=${pretendOld}` })
    expect(code).toBe(1)
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/needs Node\.js 20\.19 .* 18\.19\.0/)])
    expect(checkout.npxCalls()).toEqual([])
  })
})

describe('tests that need a program which is missing', () => {
  const needsRedis = { 'test/a.test.ts': '', 'test/b.redis.test.ts': '' }

  /** Tells with what it was called, and counts one. */
  const VITEST = `import { writeFileSync } from 'node:fs'
    console.log(process.argv.slice(2).join(' '))
    writeFileSync(process.env.KERP_TEST_COUNT_FILE, '{"passed":1,"failed":0,"complaints":[]}')`

  /** A checkout with these files, on a machine that has nothing but Node and what its `npx` needs. */
  function bareMachine(files: Readonly<Record<string, string>>) {
    const checkout = pretendCheckout()
    checkout.pretend('vitest', VITEST)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(checkout.folder, dirname(path)), { recursive: true })
      writeFileSync(join(checkout.folder, path), text)
    }
    const commands = join(checkout.folder, 'commands')
    mkdirSync(commands)
    symlinkSync(process.execPath, join(commands, 'node'))
    symlinkSync(join(checkout.folder, 'bin', 'npx'), join(commands, 'npx'))
    for (const name of ['cp', 'env', 'mkdir', 'sleep']) symlinkSync(join('/bin', name), join(commands, name))
    return {
      commands,
      run: (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
        checkout.run(args, { PATH: commands, ...environment }),
      [Symbol.dispose]: () => checkout[Symbol.dispose](),
    }
  }

  test('are named at the end with the command that brings it, the others run, and nothing has failed', async () => {
    using machine = bareMachine(needsRedis)
    const { code, stdout } = await machine.run(['test'])
    expect(stdout).toContain('--project=unit --project=servers --exclude=test/b.redis.test.ts')
    expect(stdout.trim().split('\n').slice(-3)).toEqual([
      'Not run: 1 file that needs redis-server: test/b.redis.test.ts',
      'What is missing comes with: brew install redis',
      '1 passed, 0 failed',
    ])
    expect(code).toBe(0)
  })

  test('have failed where everything must run', async () => {
    using machine = bareMachine(needsRedis)
    const { code, stdout } = await machine.run(['test', '--strict'])
    expect(stdout).toContain('Counted as failed: test/b.redis.test.ts could not run.')
    expect([code, stdout.trim().split('\n').at(-1)]).toEqual([1, '1 passed, 1 failed'])
  })

  test('get it from apt-get, as root, which is said', async () => {
    using machine = bareMachine(needsRedis)
    const installs = `#!/bin/sh\n[ "$1" = update ] || cp "$0" ${join(machine.commands, 'redis-server')}\n`
    writeFileSync(join(machine.commands, 'apt-get'), installs, { mode: 0o755 })
    const asRoot = '--import=data:text/javascript,process.getuid=()=>0'
    const { code, stdout, stderr } = await machine.run(['test', '--strict'], { NODE_OPTIONS: asRoot })
    expect(stderr).toContain('Installing redis-server with apt-get …')
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('exclude')])
  })

  test('are no concern of a run that has none of them', async () => {
    using machine = bareMachine({
      ...needsRedis,
      'test/runs.json': '{"faults":["test/faults/**/*.test.ts","test/*.browser.*.test.ts"]}',
      'test/faults/c.test.ts': '',
      'test/d.browser.live.test.ts': `import { openChromium } from '../erp/chromium.js'`,
    })
    const unit = await machine.run(['test:unit'])
    expect(unit.stdout).not.toContain('Not run')
    const { stdout } = await machine.run(['test:faults'])
    expect(stdout).toContain('that need redis-server: test/d.browser.live.test.ts, test/faults/c.test.ts')
    expect(stdout).toContain('that needs Chromium: test/d.browser.live.test.ts')
    expect(stdout).toContain('brew install redis chromium')
  })
})

describe('the last line of the tests', () => {
  const cases = [
    { count: { passed: 3, failed: 0, complaints: [] }, exit: 0, line: '3 passed, 0 failed', code: 0 },
    { count: { passed: 3, failed: 2, complaints: [] }, exit: 1, line: '3 passed, 2 failed', code: 1 },
    { count: { passed: 0, failed: 0, complaints: [] }, exit: 0, line: '0 passed, 1 failed', code: 1 },
    { count: { passed: 3, failed: 0, complaints: ['x'] }, exit: 0, line: '3 passed, 1 failed', code: 1 },
    { count: { passed: 3, failed: 0, complaints: [] }, exit: 5, line: '3 passed, 1 failed', code: 5 },
    { count: undefined, exit: 0, line: '0 passed, 2 failed', code: 1 },
  ]
  for (const { count, exit, line, code } of cases) {
    test(`is “${line}” with exit code ${code} when vitest ends with ${exit} and counts ${JSON.stringify(count)}`, async () => {
      using checkout = pretendCheckout()
      checkout.pretend(
        'vitest',
        `import { writeFileSync } from 'node:fs'
        const count = ${count === undefined ? 'undefined' : JSON.stringify(count)}
        if (count) writeFileSync(process.env.KERP_TEST_COUNT_FILE, JSON.stringify(count))
        process.exitCode = ${exit}`,
      )
      const ended = await checkout.run(['test'])
      expect(ended.stdout.trim().split('\n').at(-1)).toBe(line)
      expect(ended.code).toBe(code)
    })
  }

  test('the full run asks for the full counts', async () => {
    using checkout = pretendCheckout()
    checkout.pretend('vitest', 'console.log(process.env.KERP_TEST_FULL, process.argv.includes("--full"))')
    expect((await checkout.run(['test:full'])).stdout).toContain('1 false')
    expect((await checkout.run(['test', '--full'])).stdout).toContain('1 false')
  })
})
