/** A parent for the launcher's test: opens a server, says where, and waits to be killed. */

import { openPrivateRedis } from '@kerp/redis/testing'

const server = await openPrivateRedis()
process.stdout.write(`${JSON.stringify({ pid: server.pid, socketPath: server.socketPath })}\n`)
setInterval(() => undefined, 1_000)
