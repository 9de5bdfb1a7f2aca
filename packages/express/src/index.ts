export { kerpProbes, type ProbeHandler } from './kerp-probes.js'
