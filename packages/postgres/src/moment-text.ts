/** How moments of the database come back as text. */

/** In ISO 8601, in UTC, with microseconds. */
export function isoText(moment: string): string {
  return `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/** As whole ms since 1970. */
export function msText(moment: string): string {
  return `trunc(extract(epoch FROM ${moment}) * 1000)::text`
}
