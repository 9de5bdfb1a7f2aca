/**
 * One listener for each AbortSignal, whatever the number of calls that share it.
 *
 * A listener per call is quadratic in Node: 40,000 calls on one signal take tens of seconds to add and remove theirs,
 * and from the eleventh on Node warns of a leak.
 */

interface Group {
  /** By an object of its own for each call: two calls may share a function. */
  readonly calls: Set<{ readonly aborted: () => void }>
  readonly listener: () => void
}

const groups = new WeakMap<AbortSignal, Group>()

/**
 * Calls `aborted` when the signal aborts; the function that is returned ends that, and may be called twice. For a
 * signal that has aborted already nothing is called: look at it first. `aborted` must not throw.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  const group = groups.get(signal) ?? listen(signal)
  const call = { aborted }
  group.calls.add(call)
  return () => {
    // A signal that is made of others is kept alive by Node for as long as anybody listens to it.
    if (group.calls.delete(call) && group.calls.size === 0) drop(signal, group)
  }
}

function listen(signal: AbortSignal): Group {
  const calls: Group['calls'] = new Set()
  const group: Group = {
    calls,
    listener() {
      drop(signal, group)
      const waiting = [...calls]
      calls.clear()
      for (const { aborted } of waiting) aborted()
    },
  }
  groups.set(signal, group)
  signal.addEventListener('abort', group.listener)
  return group
}

function drop(signal: AbortSignal, group: Group): void {
  signal.removeEventListener('abort', group.listener)
  if (groups.get(signal) === group) groups.delete(signal)
}
