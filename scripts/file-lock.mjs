// A lock between processes on one directory: a file that only one can create and that its holder keeps young.

import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_MS = 200
const SAY_AFTER_MS = 2_000
const TOUCH_MS = 2_000
const STALE_MS = 60_000

/** Calls `work` while this process holds the lock; says `waiting` once if another holds it for long. */
export async function withFileLock(file, waiting, work) {
  const begun = Date.now()
  let said = false
  while (!take(file)) {
    if (isAbandoned(file)) setAside(file)
    else await sleep(LOOK_MS)
    if (!said && Date.now() - begun > SAY_AFTER_MS) {
      console.error(waiting)
      said = true
    }
  }
  const touching = setInterval(() => touch(file), TOUCH_MS)
  const drop = () => rmSync(file, { force: true })
  process.once('exit', drop)
  try {
    return await work()
  } finally {
    clearInterval(touching)
    process.off('exit', drop)
    drop()
  }
}

function take(file) {
  try {
    writeFileSync(file, `${hostname()} ${process.pid}`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function isAbandoned(file) {
  try {
    const [host, pid] = readFileSync(file, 'utf8').split(' ')
    const young = Date.now() - statSync(file).mtimeMs < STALE_MS
    return !young || (host === hostname() && Number(pid) > 0 && !isAlive(Number(pid)))
  } catch {
    return false
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

// Renaming succeeds for one process only, so two that saw the same abandoned lock do not both go on.
function setAside(file) {
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
    if (isAbandoned(aside)) rmSync(aside, { force: true })
    else renameSync(aside, file)
  } catch {
    // Another process was faster.
  }
}

function touch(file) {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // The folder was removed under us; the work will say so.
  }
}
