/** A database of one's own in a server that others use too, and a look into it from outside. */

import { systemRandom } from '@kerp/core'
import { Client } from 'pg'

/** Makes an empty database and returns its URL. */
export async function freshDatabase(serverUrl: string): Promise<string> {
  const name = `erp_${systemRandom.hex(6)}`
  await sql(serverUrl, `CREATE DATABASE ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Runs one statement on a connection of its own. */
export async function sql(
  databaseUrl: string,
  text: string,
  values: readonly (string | null)[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows }: { rows: Record<string, unknown>[] } = await client.query(text, [...values])
    return rows
  } finally {
    await client.end()
  }
}
