/**
 * Streams for the mock, whose own take no ids and no groups: what this library's scripts and readers need of them.
 *
 * One consumer per group is enough here, so names of consumers are taken and not told apart.
 */

import { systemClock } from '@kerp/core'
import { type LuaValue, MockReplyError } from './lua-runner.js'

/** Where a mock keeps its keys. */
export interface MockData {
  get(key: string): unknown
  set(key: string, value: unknown): void
}

interface Entry {
  readonly id: string
  readonly fields: readonly string[]
}

interface Group {
  lastDelivered: string
  readonly pending: Map<string, { deliveries: number; atMs: number }>
}

/** The mock copies lists and plain objects when they are read; one of these inside a list stays itself. */
class Stream {
  entries: Entry[] = []
  lastId = '0-0'
  readonly groups = new Map<string, Group>()
}

type StreamCommand = (data: MockData, args: readonly string[]) => LuaValue

/** The commands, by lower-case name. */
export const STREAM_COMMANDS: Readonly<Record<string, StreamCommand>> = {
  xadd(data, [key = '', ...rest]) {
    refuseOption('XADD', rest[0], ['NOMKSTREAM', 'MINID'])
    const stream = streamAt(data, key, true)
    const bounded = rest[0]?.toUpperCase() === 'MAXLEN' ? withoutSign(rest.slice(1)) : undefined
    const [id = '*', ...fields] = bounded?.slice(1) ?? rest
    const given = id === '*' ? autoId(stream) : id.endsWith('-*') ? idWithin(stream, id) : fullId(id)
    if (order(given, stream.lastId) <= 0) {
      throw new MockReplyError(
        'ERR The ID specified in XADD is equal or smaller than the target stream top item',
      )
    }
    stream.entries.push({ id: given, fields })
    stream.lastId = given
    if (bounded !== undefined) cutTo(stream, Number(bounded[0]))
    return given
  },
  xlen: (data, [key = '']) => streamAt(data, key).entries.length,
  xrange: (data, [key = '', from = '-', to = '+', ...rest]) =>
    between(streamAt(data, key), from, to).slice(0, countOf(rest)).map(reply),
  xrevrange: (data, [key = '', to = '+', from = '-', ...rest]) =>
    between(streamAt(data, key), from, to).reverse().slice(0, countOf(rest)).map(reply),
  xdel(data, [key = '', ...ids]) {
    const { entries } = streamAt(data, key)
    const places = ids.map((id) => placeOf(entries, fullId(id))).filter((place) => place >= 0)
    for (const place of [...new Set(places)].sort((a, b) => b - a)) entries.splice(place, 1)
    return new Set(places).size
  },
  xtrim(data, [key = '', how = '', ...rest]) {
    const stream = streamAt(data, key)
    const [limit = ''] = withoutSign(rest)
    if (how.toUpperCase() === 'MINID') {
      return stream.entries.splice(0, countBefore(stream.entries, fullId(limit))).length
    }
    return cutTo(stream, Number(limit))
  },
  xgroup(data, [action = '', key = '', name = '', from = '$', make = '']) {
    refuseOption('XGROUP', action, ['SETID', 'CREATECONSUMER', 'DELCONSUMER'])
    const makes = action.toUpperCase() === 'CREATE' && make.toUpperCase() === 'MKSTREAM'
    if (!makes && data.get(key) === undefined) {
      throw new MockReplyError('ERR The XGROUP subcommand requires the key to exist.')
    }
    const stream = streamAt(data, key, true)
    if (action.toUpperCase() === 'DESTROY') return stream.groups.delete(name) ? 1 : 0
    if (stream.groups.has(name)) throw new MockReplyError('BUSYGROUP Consumer Group name already exists')
    stream.groups.set(name, {
      lastDelivered: from === '$' ? stream.lastId : fullId(from),
      pending: new Map(),
    })
    return 'OK'
  },
  xinfo(data, [what = '', key = '']) {
    const stream = streamAt(data, key)
    if (what.toUpperCase() !== 'GROUPS') throw new MockReplyError('ERR the mock knows XINFO GROUPS only')
    return [...stream.groups].map(([name, { lastDelivered, pending }]) => {
      const lag = stream.entries.length - countUpTo(stream.entries, lastDelivered)
      return ['name', name, 'pending', pending.size, 'last-delivered-id', lastDelivered, 'lag', lag]
    })
  },
  xreadgroup(data, args) {
    const at = args.findIndex((arg) => arg.toUpperCase() === 'STREAMS')
    const [key = '', after = '>'] = args.slice(at + 1)
    const stream = streamAt(data, key)
    const group = groupAt(stream, key, args[1])
    const isNew = after === '>'
    const countMax = countOf(args.slice(3, at)) ?? Number.POSITIVE_INFINITY
    const begin = countUpTo(stream.entries, group.lastDelivered)
    const entries = isNew
      ? stream.entries.slice(begin, begin + countMax)
      : entriesOf(stream, pendingAfter(group, after)).slice(0, countMax)
    for (const { id } of entries) {
      group.pending.set(id, {
        deliveries: (group.pending.get(id)?.deliveries ?? 0) + 1,
        atMs: systemClock.nowMs(),
      })
      if (isNew) group.lastDelivered = id
    }
    return entries.length === 0 && isNew ? null : [[key, entries.map(reply)]]
  },
  xack(data, [key = '', name = '', ...ids]) {
    const group = streamAt(data, key).groups.get(name)
    return ids.filter((id) => group?.pending.delete(id)).length
  },
  xpending(data, [key = '', name = '', from, to = '+', count = '10']) {
    if (from === undefined) throw new MockReplyError('ERR the mock knows XPENDING with a range only')
    const { pending } = groupAt(streamAt(data, key), key, name)
    const ids = [...pending.keys()].sort(order).filter((id) => isWithin(id, from, to))
    return ids.slice(0, Number(count)).map((id) => {
      const { deliveries, atMs } = pending.get(id) ?? { deliveries: 0, atMs: 0 }
      return [id, 'consumer', Math.round(systemClock.nowMs() - atMs), deliveries]
    })
  },
  xautoclaim(data, [key = '', name = '', , minIdleMs = '0', start = '0-0', ...rest]) {
    const stream = streamAt(data, key)
    const { pending } = groupAt(stream, key, name)
    const longAgoMs = systemClock.nowMs() - Number(minIdleMs)
    const ids = [...pending]
      .filter(([id, { atMs }]) => order(id, fullId(start)) >= 0 && atMs <= longAgoMs)
      .map(([id]) => id)
      .sort(order)
    const page = ids.slice(0, countOf(rest) ?? 100)
    const found = entriesOf(stream, page)
    const gone = page.filter((id) => placeOf(stream.entries, id) < 0)
    for (const id of gone) pending.delete(id)
    for (const { id } of found) {
      pending.set(id, { deliveries: (pending.get(id)?.deliveries ?? 0) + 1, atMs: systemClock.nowMs() })
    }
    return [ids[page.length] ?? '0-0', found.map(reply), gone]
  },
}

/** What is not known is refused: taken for something else it would change what a test sees. */
function refuseOption(command: string, option: string | undefined, unknown: readonly string[]): void {
  if (option === undefined || !unknown.includes(option.toUpperCase())) return
  throw new MockReplyError(`ERR the mock does not know ${command} ${option.toUpperCase()}`)
}

function streamAt(data: MockData, key: string, create = false): Stream {
  const held: unknown = data.get(key)
  const stream: unknown = Array.isArray(held) ? held[0] : undefined
  if (stream instanceof Stream) return stream
  if (held !== undefined) {
    throw new MockReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
  }
  const made = new Stream()
  if (create) data.set(key, [made])
  return made
}

function groupAt(stream: Stream, key: string, name: string | undefined): Group {
  const group = stream.groups.get(name ?? '')
  if (group !== undefined) return group
  throw new MockReplyError(`NOGROUP No such key '${key}' or consumer group '${name ?? ''}'`)
}

/** `ms-*`: the next sequence within a millisecond. */
function idWithin({ lastId }: Stream, id: string): string {
  const ms = id.slice(0, -2)
  const [lastMs, lastSequence] = lastId.split('-')
  return ms === lastMs ? `${ms}-${Number(lastSequence) + 1}` : `${ms}-0`
}

function autoId(stream: Stream): string {
  const now = `${Math.floor(systemClock.nowMs())}-0`
  if (order(now, stream.lastId) > 0) return now
  const [ms = '0', sequence = '0'] = stream.lastId.split('-')
  return `${ms}-${Number(sequence) + 1}`
}

/** How many entries a search by halves finds at the begin, of which `isAtBegin` holds and of no later one. */
function countAtBegin(entries: readonly Entry[], isAtBegin: (id: string) => boolean): number {
  let [low, high] = [0, entries.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isAtBegin(entries[middle]?.id ?? '')) low = middle + 1
    else high = middle
  }
  return low
}

function countBefore(entries: readonly Entry[], id: string): number {
  return countAtBegin(entries, (each) => order(each, id) < 0)
}

function countUpTo(entries: readonly Entry[], id: string): number {
  return countAtBegin(entries, (each) => order(each, id) <= 0)
}

/** Where the entry with this id stands; negative if there is none. */
function placeOf(entries: readonly Entry[], id: string): number {
  const place = countBefore(entries, id)
  return entries[place]?.id === id ? place : -1
}

/** The entries with these ids that are still there. */
function entriesOf({ entries }: Stream, ids: readonly string[]): Entry[] {
  return ids.flatMap((id) => entries[placeOf(entries, id)] ?? [])
}

function pendingAfter({ pending }: Group, after: string): readonly string[] {
  return [...pending.keys()].filter((id) => order(id, after) > 0).sort(order)
}

/** Keeps the latest entries; answers how many went. */
function cutTo(stream: Stream, max: number): number {
  return stream.entries.splice(0, Math.max(0, stream.entries.length - max)).length
}

/** A limit may stand behind `~` or `=`; the double is always exact. */
function withoutSign(args: readonly string[]): readonly string[] {
  return args[0] === '~' || args[0] === '=' ? args.slice(1) : args
}

function between({ entries }: Stream, from: string, to: string): Entry[] {
  const begin = countAtBegin(entries, (id) => !isWithin(id, from, '+'))
  const end = countAtBegin(entries, (id) => isWithin(id, '-', to))
  return entries.slice(begin, end)
}

function isWithin(id: string, from: string, to: string): boolean {
  const low = from.startsWith('(')
    ? order(id, fullId(from.slice(1))) > 0
    : from === '-' || order(id, fullId(from)) >= 0
  return (
    low &&
    (to === '+' || (to.startsWith('(') ? order(id, lastId(to.slice(1))) < 0 : order(id, lastId(to)) <= 0))
  )
}

function countOf(args: readonly string[]): number | undefined {
  const at = args.findIndex((arg) => arg.toUpperCase() === 'COUNT')
  return at < 0 ? undefined : Number(args[at + 1])
}

function fullId(id: string): string {
  return id.includes('-') ? id : `${id}-0`
}

/** The last id of a millisecond, where only that is given. */
function lastId(id: string): string {
  return id.includes('-') ? id : `${id}-${Number.MAX_SAFE_INTEGER}`
}

function order(left: string, right: string): number {
  const [leftMs = 0, leftSequence = 0] = left.split('-').map(Number)
  const [rightMs = 0, rightSequence = 0] = right.split('-').map(Number)
  return leftMs - rightMs || leftSequence - rightSequence
}

function reply({ id, fields }: Entry): LuaValue {
  return [id, fields]
}
