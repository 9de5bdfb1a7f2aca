/**
 * What an epoch says of the database that it names, as far as it can be read.
 *
 * The epochs of `@kerp/postgres` are the identity that the database was given, then cluster, timeline and database as far
 * as the server tells them, the server's start, and the tables of balances and stock, joined by dots. Those of before
 * begin with the cluster, those of a host's own source may be anything. Of such nobody can say whose they are.
 */

const EPOCH =
  /^(?:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.)?(?:(\d{12,20})\.)?(?:([0-9A-F]{8})\.)?(\d+)\.(\d+)\.(\d+)\.\d+\.\d+\.\d+$/

interface EpochParts {
  readonly identity: string | undefined
  /** The schema's tables in the database of a cluster: what a standby has in common with its primary. */
  readonly place: string | undefined
  readonly timeline: string | undefined
}

function partsOf(epoch: string): EpochParts | undefined {
  const match = EPOCH.exec(epoch)
  if (match === null) return undefined
  const [, identity, cluster, timeline, database, , balance] = match
  return { identity, timeline, place: cluster && `${cluster}.${database ?? ''}.${balance ?? ''}` }
}

/**
 * Whether two epochs are of different databases, and not of one that was restarted, promoted or taken back to a backup
 * of its disk. A logical restore is another database too: only what its relays do tells whether the other one lives.
 */
export function isOtherDatabase(epoch: string, other: string): boolean {
  const [here, there] = [partsOf(epoch), partsOf(other)]
  if (here?.identity === undefined || there?.identity === undefined) return false
  if (here.identity === there.identity) return false
  return here.place === undefined || here.place !== there.place
}

/** Whether an epoch names an earlier timeline of the same database system, which must never replace a later one. */
export function isLowerTimeline(epoch: string, other: string): boolean {
  const [here, there] = [partsOf(epoch), partsOf(other)]
  if (here?.identity === undefined || there?.identity === undefined) {
    const [system, timeline = ''] = withoutIdentity(epoch)
    const [otherSystem, otherTimeline = ''] = withoutIdentity(other)
    return system === otherSystem && isLower(timeline, otherTimeline)
  }
  const isSame = here.place !== undefined && here.place === there.place
  return isSame && isLower(here.timeline ?? '', there.timeline ?? '')
}

/** Cluster and timeline stand first, or behind the identity. */
function withoutIdentity(epoch: string): readonly string[] {
  const parts = epoch.split('.')
  return parts[0]?.includes('-') === true ? parts.slice(1) : parts
}

const TIMELINE_WIDTH = 16

function isLower(timeline: string, other: string): boolean {
  return timeline.padStart(TIMELINE_WIDTH, '0') < other.padStart(TIMELINE_WIDTH, '0')
}
