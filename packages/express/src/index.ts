export { type ErrorMiddleware, kerpErrors } from './kerp-errors.js'
export { kerpProbes, type ProbeHandler } from './kerp-probes.js'
