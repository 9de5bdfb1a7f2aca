export { kerpFastify, type KerpFastifyOptions } from './kerp-fastify.js'
