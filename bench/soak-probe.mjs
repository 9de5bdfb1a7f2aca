// Loaded into the app before itself: says what the process holds, whenever its parent asks.
import { EventEmitter } from 'node:events'

/** Every emitter that has ever had a listener, as long as it lives. */
const emitters = new Set()
const on = EventEmitter.prototype.on
EventEmitter.prototype.on = EventEmitter.prototype.addListener = function (name, listener) {
  if (!this[seen]) {
    this[seen] = true
    emitters.add(new WeakRef(this))
  }
  return on.call(this, name, listener)
}
const seen = Symbol('seen by the soak')

function listeners() {
  let most = 0
  for (const ref of emitters) {
    const emitter = ref.deref()
    if (emitter === undefined) emitters.delete(ref)
    else for (const name of emitter.eventNames()) most = Math.max(most, emitter.listenerCount(name))
  }
  return most
}

process.on('message', () => {
  globalThis.gc?.()
  const counts = {}
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1
  const { TCPSocketWrap: tcp = 0, PipeWrap: pipes = 0, Timeout: timers = 0 } = counts
  const heapMb = process.memoryUsage().heapUsed / 1_048_576
  process.send?.({ heapMb, sockets: tcp + pipes, timers, listeners: listeners() })
})
process.channel?.unref()
