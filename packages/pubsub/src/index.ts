export {
  type AnyEvent,
  decodeEvent,
  type EncodedEvent,
  encodeCommitted,
  encodeEvent,
  EVENT_BYTES_MAX,
  type EventEnvelope,
  type OutgoingEvent,
} from './envelope.js'
export {
  type BalanceUpdated,
  erpEvents,
  type ErpEventSchemas,
  type InventoryChanged,
  type Notification,
  type PayrollProcessed,
  type VoucherApproved,
  type VoucherCreated,
} from './erp-events.js'
export { EpochMovedError, EventInvalidError, EventNotPublishedError } from './errors.js'
export {
  defineEvents,
  type EventMap,
  type EventPayload,
  type EventSchemas,
  type EventType,
  payloadSchema,
} from './event-map.js'
export { EventRelay, type EventRelayReport } from './event-relay.js'
export type { EventRelayOptions } from './event-relay-options.js'
export { type EventPosition, type EventWatermark, parseEventWatermark } from './event-position.js'
export {
  installWatermark,
  publishRelayed,
  readEventWatermark,
  type RelayedEvents,
  type RelayedParts,
  type RelayedResult,
} from './publish-relayed.js'
export { type AnyNewEvent, type NewEvent, Publisher } from './publisher.js'
export type { PublisherOptions } from './publisher-options.js'
export type { StreamLengths } from './trim-stream.js'
export {
  type SubscribeAllOptions,
  type SubscribeOptions,
  Subscriber,
  type SubscriberNotices,
} from './subscriber.js'
export type { SubscriberOptions } from './subscriber-options.js'
export type {
  EventBatch,
  EventHandlers,
  SubscribeFrom,
  Subscription,
  SubscriptionReset,
} from './subscription.js'
export type { SubscribeAllFrom, SubscriptionToAll } from './subscription-to-all.js'
export type { ShardedOption } from './sharded.js'
export type { CompanyRegistry } from './company-registry.js'
export { Consumer } from './consumer.js'
export type { ConsumerContext, ConsumerHandler, ConsumerOptions } from './consumer-options.js'
export type { DeadLetter, RedriveReport } from './dead-letters.js'
