/** A host that uses TypeORM. */

import { viaTypeOrm } from '@kerp/postgres'
import { DataSource } from 'typeorm'
import { at, type HostDriver } from './host-driver.js'

export async function onTypeOrm(url: string): Promise<HostDriver> {
  const source = new DataSource({ type: 'postgres', url, extra: { max: 8 } })
  await source.initialize()
  return {
    name: 'TypeORM',
    transaction: (work) => source.transaction((manager) => work(viaTypeOrm(manager))),
    sqlStateOf: (error) => at(error, 'driverError', 'code'),
    close: () => source.destroy(),
  }
}
