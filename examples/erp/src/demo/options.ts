/** The demo's command line. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { InvalidOptionError } from '@kerp/core'
import type { TopologyName } from './topology.js'

/** What the demo was asked for. */
export interface DemoOptions {
  /** Leave after the audit instead of staying up. */
  readonly exit: boolean
  /** Print one JSON object as the last line. */
  readonly json: boolean
  /** Break Redis, the database and a second process of the app while the job runs. */
  readonly faults: boolean
  /** A Redis of many processes, whose masters are replaced while the job runs; undefined for one server. */
  readonly topology: TopologyName | undefined
  /** A CSV or CSV.gz of order lines; undefined generates a month. */
  readonly ordersFile: string | undefined
  /** How many invoices the generated month has. */
  readonly invoices: number
  /** The seed of the generated month. */
  readonly seed: number
}

const INVOICES = 2_025
const SEED = 20_260_101

/** How the demo is called, for whoever called it otherwise. */
const USAGE = `npm run demo -- [--exit] [--json] [--faults] [--topology sentinel|cluster] [--orders FILE] [--invoices N] [--seed N]

  --exit        leave after the audit; the exit code is 0 only if every line of it holds
  --json        print one JSON object as the last line
  --faults      break Redis, the database and a second process of the app during the job
  --topology T  sentinel or cluster: start that Redis, and replace its masters during the job
  --orders FILE replay a CSV or CSV.gz: invoice,item,qty,ts,unit_price_pence,customer,country
  --invoices N  invoices of the generated month (${INVOICES})
  --seed N      seed of the generated month (${SEED})`

/**
 * Reads the command line.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for an option that there is not, or a value that it cannot have.
 */
export function readDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parse(args)
  return {
    exit: values.exit,
    json: values.json,
    faults: values.faults,
    topology: topologyOf(values.topology),
    ordersFile: values.orders === undefined ? undefined : findFile(values.orders),
    invoices: numberOf('--invoices', values.invoices, INVOICES),
    seed: numberOf('--seed', values.seed, SEED),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        exit: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        faults: { type: 'boolean', default: false },
        topology: { type: 'string' },
        orders: { type: 'string' },
        invoices: { type: 'string' },
        seed: { type: 'string' },
      },
    })
  } catch {
    throw new InvalidOptionError('demo', 'arguments', `as follows:\n${USAGE}\n`, args.join(' '))
  }
}

function topologyOf(text: string | undefined): TopologyName | undefined {
  if (text === undefined || text === 'sentinel' || text === 'cluster') return text
  throw new InvalidOptionError('demo', '--topology', 'sentinel or cluster', text)
}

/** npm changes to the project's folder; the file may be meant from where npm was called. */
function findFile(file: string): string {
  const here = resolve(file)
  const callersFolder = process.env['INIT_CWD']
  return existsSync(here) || callersFolder === undefined ? here : resolve(callersFolder, file)
}

function numberOf(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new InvalidOptionError('demo', option, 'a whole number from 1 to 999999', text)
}
