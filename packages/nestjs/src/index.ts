export { KerpExceptionFilter } from './kerp-exception-filter.js'
export { KerpModule, type KerpAsyncOptions, type KerpModuleOptions } from './kerp-module.js'
export { PROBE_ROUTES, type ProbeDecorator, ProbesController } from './probes-controller.js'
