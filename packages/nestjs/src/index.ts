export { KerpExceptionFilter } from './kerp-exception-filter.js'
export { KerpModule, type KerpAsyncOptions, type KerpModuleOptions } from './kerp-module.js'
export { ProbesController } from './probes-controller.js'
