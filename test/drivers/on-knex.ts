/** A host that uses Knex. */

import { viaKnex } from '@kerp/postgres'
import createKnex from 'knex'
import { at, type HostDriver } from './host-driver.js'

export function onKnex(url: string): HostDriver {
  const knex = createKnex({ client: 'pg', connection: url, pool: { min: 0, max: 8 } })
  return {
    name: 'Knex',
    transaction: (work) => knex.transaction((trx) => work(viaKnex(trx))),
    sqlStateOf: (error) => at(error, 'code'),
    close: () => knex.destroy(),
  }
}
