export type { ApplyResult } from './apply-images.js'
export {
  type ComparedParts,
  type ComparedRow,
  comparePages,
  compareRows,
  type RegisterVerdict,
} from './compare-rows.js'
export {
  EpochChangedError,
  ForeignDatabaseError,
  LoadBackoffError,
  OutboxMovedError,
  RelayBehindError,
  TimelineBehindError,
  VersionNotReachedError,
} from './errors.js'
export type { Freshness } from './local-tier.js'
export type { LocalTierOptions } from './local-tier-options.js'
export { OutboxRelay } from './outbox-relay.js'
export type { PositionOrder } from './position.js'
export { parsePush, type PushEntry, type RegisterPush } from './push.js'
export { formatWatermark, imageText, parseWatermark, type Watermark } from './register.js'
export {
  type KeyedRef,
  type LoadedRegister,
  RegisterLoader,
  type RegisterLoaderOptions,
} from './register-loader.js'
export type { AnswerMaker, RegisterReading } from './register-reading.js'
export { RegisterSampler, type RegisterSamplerOptions } from './register-sampler.js'
export { type RegisterReadOptions, Registers } from './registers.js'
export type { RegistersOptions } from './registers-options.js'
export type { OutboxRelayOptions } from './relay-options.js'
export type { RelayReport } from './relay-passes.js'
export { relayHealthCauses, trustHealthCauses } from './health-causes.js'
