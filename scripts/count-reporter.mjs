// A vitest reporter that writes to a file how many tests passed and failed, what else went wrong, and what took longest.

import { writeFileSync } from 'node:fs'

const SLOWEST = 20

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const count = { passed: 0, failed: 0, complaints: [], slowest: slowestOf(modules) }
    for (const module of modules) countModule(module, count)
    for (const error of unhandledErrors) count.complaints.push(`an unhandled error, ${firstLine(error)}`)
    if (reason === 'interrupted') count.complaints.push('the run was interrupted')
    writeFileSync(process.env.KERP_TEST_COUNT_FILE, JSON.stringify(count))
  }
}

/** With what each took to be loaded. */
function slowestOf(modules) {
  return modules
    .map((module) => {
      const { collectDuration, setupDuration, duration } = module.diagnostic()
      return { file: module.relativeModuleId, seconds: (collectDuration + setupDuration + duration) / 1_000 }
    })
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST)
}

function countModule(module, count) {
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    if (state === 'passed') count.passed += 1
    if (state === 'failed') count.failed += 1
    if (state === 'pending') count.complaints.push(`${test.fullName} never ended`)
  }
  // A file that does not load, or a hook that throws, fails without any of its tests failing.
  for (const suite of [module, ...module.children.allSuites()]) {
    for (const error of suite.errors()) {
      count.complaints.push(`${module.relativeModuleId}, ${firstLine(error)}`)
    }
  }
}

function firstLine(error) {
  return String(error.message ?? error).split('\n')[0]
}
