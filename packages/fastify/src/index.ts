export { kerpErrorHandler } from './kerp-error-handler.js'
export { kerpFastify, type KerpFastifyOptions } from './kerp-fastify.js'
