export { BODY_HEADERS, errorAnswer, type ErrorAnswer, type StockShortageJson } from './error-answer.js'
export { isProbePath, PROBE_PATHS, type ProbeAnswer, type ProbePath } from './probe-answer.js'
export { Realtime, type RealtimeOptions, type RealtimeParts, type ProbeRegistry } from './realtime.js'
export { realtimeHealth, type RealtimeHealthParts } from './realtime-health.js'
