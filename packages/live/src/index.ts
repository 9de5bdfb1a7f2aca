export { CLOSE_CODES, type CloseReason, mayReconnect } from './close-codes.js'
export type {
  LiveBlock,
  LiveFeed,
  LiveFeedHandlers,
  LiveHistory,
  LiveHistoryQuery,
  LivePrincipal,
  LiveSnapshot,
  LiveStart,
} from './feed.js'
export type { AttachOptions } from './handshake.js'
export { LiveHub } from './hub.js'
export type { LiveHubOptions, LiveLimits } from './hub-options.js'
export { type LogEvent, LogFeed, type LogFeedOptions } from './log-feed.js'
export type { EphemeralTopic, LiveTopic, LiveTopics, LogTopic, StateTopic } from './topics.js'
