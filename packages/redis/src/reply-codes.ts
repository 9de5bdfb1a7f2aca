/**
 * Every error reply of a Redis server that a caller must tell apart, in one table.
 *
 * The first word of an error reply is its code. What is not in the table counts as refused and shows no
 * code, because a script may have put a caller's text there.
 */

/** What an error reply says about the call's effect. */
export type ReplyVerdict = 'notDone' | 'refused' | 'unknown'

/** One row of the table. */
export interface ReplyRule {
  readonly verdict: ReplyVerdict
  readonly reason: string
}

function rule(verdict: ReplyVerdict, reason: string): ReplyRule {
  return { verdict, reason }
}

/** Reply code → what it means for the call. `notDone` may succeed later, `refused` would be refused again. */
export const REPLY_CODES: ReadonlyMap<string, ReplyRule> = new Map([
  // The server is not the one to ask, or not yet.
  ['READONLY', rule('notDone', 'the server is a replica; a failover is likely')],
  ['LOADING', rule('notDone', 'the server is loading its data')],
  ['MASTERDOWN', rule('notDone', 'the replica has no link to its master')],
  ['CLUSTERDOWN', rule('notDone', 'the cluster does not serve this slot now')],
  ['MOVED', rule('notDone', 'the slot lives on another node')],
  ['ASK', rule('notDone', 'the slot is being moved to another node')],
  ['TRYAGAIN', rule('notDone', 'the keys are split between two nodes while their slot moves')],
  // The server refuses writes until something outside changes.
  ['MISCONF', rule('notDone', 'the server cannot write its data to disk and refuses writes')],
  ['NOREPLICAS', rule('notDone', 'too few replicas follow the server')],
  ['BUSY', rule('notDone', 'a script has been running for too long')],
  ['NOSCRIPT', rule('notDone', 'the server does not hold the script')],
  ['UNBLOCKED', rule('notDone', 'the wait was ended by the server')],
  ['EXECABORT', rule('notDone', 'the transaction was discarded')],
  // The same call would be refused again.
  ['OOM', rule('refused', 'the memory limit of the server is reached')],
  ['WRONGTYPE', rule('refused', 'a key holds a value of another type')],
  ['CROSSSLOT', rule('refused', 'the keys do not share a cluster slot')],
  ['NOAUTH', rule('refused', 'the server wants a password: give `password` (REDIS_PASSWORD)')],
  [
    'WRONGPASS',
    rule(
      'refused',
      'the server did not accept the user or password: compare `username` and `password` (REDIS_USERNAME, REDIS_PASSWORD)',
    ),
  ],
  [
    'NOPERM',
    rule(
      'refused',
      'the user may not run this command or use these keys: give it the rules that `aclUser()` writes',
    ),
  ],
  ['DENIED', rule('refused', 'the server runs in protected mode')],
  ['NOPROTO', rule('refused', 'the server does not speak this protocol version')],
  ['NOGROUP', rule('refused', 'the consumer group does not exist')],
  ['BUSYGROUP', rule('refused', 'the consumer group exists already')],
  ['BUSYKEY', rule('refused', 'the key exists already')],
  ['NOTBUSY', rule('refused', 'no script is running')],
  ['UNKILLABLE', rule('refused', 'the running script has written already')],
  ['INPROG', rule('refused', 'another such operation is in progress')],
  ['NOGOODSLAVE', rule('refused', 'no replica can take over')],
  ['ERR', rule('refused', 'the server found an error in the call')],
  ['IOERR', rule('unknown', 'the server lost another server half way')],
])

const REFUSED: ReplyRule = rule('refused', 'the server answered with an error')
const FULL_HOUSE: ReplyRule = rule('notDone', 'the server has as many clients as it may have')
const SCRIPT_KILLED: ReplyRule = rule('notDone', 'the script was killed before it wrote')

// Servers before 7.0 wrap an error inside a script: "ERR Error running script (call to f_…): @user_script: 3: WRONGTYPE …".
const INNER_CODE = /@user_script: ?\d+: (?:-|@user_script: ?\d+: )?([A-Z]{2,16}) /

const SCRIPT_LINE = /\buser_script: ?(\d{1,5})\b/

/** An error reply, without a word of its text. */
export interface Reply extends ReplyRule {
  /** Undefined for a code that the table does not know. */
  readonly code: string | undefined
}

/** Reads an error reply's text. Of an error inside a script, the line is named. */
export function readReply(text: string): Reply {
  const { code, verdict, reason } = judge(text)
  const line = SCRIPT_LINE.exec(text)?.[1]
  return { code, verdict, reason: line === undefined ? reason : `${reason}, at line ${line} of the script` }
}

function judge(text: string): Reply {
  const first = firstWord(text)
  if (first === 'ERR') {
    if (text.startsWith('ERR max number of clients')) return { code: first, ...FULL_HOUSE }
    if (text.includes('Script killed by user with SCRIPT KILL')) return { code: first, ...SCRIPT_KILLED }
    const inner = INNER_CODE.exec(text)?.[1]
    const innerRule = inner === undefined ? undefined : REPLY_CODES.get(inner)
    if (innerRule !== undefined) return { code: inner, ...innerRule }
  }
  const known = REPLY_CODES.get(first)
  return known === undefined ? { code: undefined, ...REFUSED } : { code: first, ...known }
}

/** The text up to its first space. */
export function firstWord(text: string): string {
  const end = text.indexOf(' ')
  return end < 0 ? text : text.slice(0, end)
}
