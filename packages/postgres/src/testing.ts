/** What tests, benches and demos need of PostgreSQL: a server of their own. */

export { PrivatePostgresError } from './errors.js'
export { openPrivatePostgres, type PrivatePostgres, type PrivatePostgresOptions } from './private-postgres.js'
