/** A parent for the launcher's test: opens a server, says where, and waits to be killed. */

import { openPrivatePostgres } from '@kerp/postgres/testing'

const server = await openPrivatePostgres()
process.stdout.write(`${JSON.stringify({ pid: server.pid, socketDir: server.socketDir })}\n`)
setInterval(() => undefined, 1_000)
