/** The fifth migration: which events a durable group has had its effect of. */

/** The statements for a schema name that is already checked. */
export function eventEffectSchema(schema: string): string {
  return `
CREATE TABLE ${schema}.event_effect (
  consumer_group text COLLATE "C" NOT NULL, company text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL,
  happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, company, event_id)
);
`
}
