/** A host that uses postgres.js. */

import { viaPostgresJs } from '@kerp/postgres'
import postgres from 'postgres'
import { at, type HostDriver } from './host-driver.js'

export function onPostgresJs(url: string): HostDriver {
  const { pathname, searchParams, username } = new URL(url)
  const sql = postgres({
    host: searchParams.get('host') ?? '',
    database: pathname.slice(1),
    user: username,
    max: 8,
    onnotice: () => undefined,
  })
  return {
    name: 'postgres.js',
    async transaction<T>(work: Parameters<HostDriver['transaction']>[0]): Promise<T> {
      return (await sql.begin((tx) => work(viaPostgresJs(tx)))) as T
    },
    sqlStateOf: (error) => at(error, 'code'),
    close: () => sql.end({ timeout: 5 }),
  }
}
