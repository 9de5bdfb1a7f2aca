/** The module that the tests of the pool of threads run in their threads. */

import { type CpuContext, withTransfer } from '@kerp/worker-pool'

/** What one job is told to do. */
export type CpuOrder =
  | { readonly do: 'square'; readonly of: number }
  | { readonly do: 'fields' }
  | { readonly do: 'throw'; readonly what: 'error' | 'text' | 'revoked' | 'unreadable' }
  | { readonly do: 'spin'; readonly ms: number; readonly heed: boolean }
  | { readonly do: 'buffer'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly do: 'uncopied' }
  | { readonly do: 'exit' }
  | { readonly do: 'count'; readonly into: SharedArrayBuffer; readonly ms: number }

/** Does it. */
export default function work(order: CpuOrder, context: CpuContext): unknown {
  switch (order.do) {
    case 'square':
      return order.of * order.of
    case 'fields':
      return context.fields
    case 'throw':
      if (order.what === 'text') throw 'just text' as unknown as Error
      if (order.what === 'revoked') {
        const { proxy, revoke } = Proxy.revocable(new Error('gone'), {})
        revoke()
        throw proxy
      }
      if (order.what === 'unreadable') {
        throw Object.defineProperty(new Error('m'), 'message', { value: () => 'no text that can be copied' })
      }
      throw Object.assign(new RangeError('out of range'), { code: 'TAX_TABLE', retryable: true })
    case 'spin':
      return spin(order.ms, () => order.heed && context.isCancelled)
    case 'buffer':
      return withTransfer(order.bytes, [order.bytes.buffer])
    case 'uncopied':
      return () => 1
    case 'exit':
      return process.exit(3)
    case 'count': {
      const counters = new Int32Array(order.into)
      Atomics.add(counters, 0, 1)
      spin(order.ms, () => false)
      return Atomics.add(counters, 1, 1)
    }
  }
}

function spin(ms: number, isOver: () => boolean): string {
  const endMs = performance.now() + ms
  while (performance.now() < endMs) if (isOver()) return 'heeded'
  return 'done'
}
