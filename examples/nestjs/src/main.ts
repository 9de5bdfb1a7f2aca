/** Listens. `enableShutdownHooks` makes SIGTERM close the parts in their order. */

import { createApp } from './create-app.js'

const app = await createApp()
app.enableShutdownHooks()
await app.listen(Number(process.env.PORT ?? '3000'))
console.log(`listening on ${await app.getUrl()}`)
