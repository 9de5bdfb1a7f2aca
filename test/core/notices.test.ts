import { NoticeBoard } from '@kerp/core'
import { describe, expect, it, vi } from 'vitest'

interface Told extends Record<string, readonly unknown[]> {
  readonly posted: readonly [id: string, lines: number]
  readonly closed: readonly []
}

describe('notices', () => {
  it('reach every listener with their arguments, until it stops listening', () => {
    const board = new NoticeBoard<Told>()
    const first = vi.fn()
    const second = vi.fn()
    const stop = board.on('posted', first)
    board.on('posted', second)
    board.emit('posted', 'v1', 2)
    stop()
    stop()
    board.emit('posted', 'v2', 3)
    board.emit('closed')
    expect(first.mock.calls).toStrictEqual([['v1', 2]])
    expect(second.mock.calls).toStrictEqual([
      ['v1', 2],
      ['v2', 3],
    ])
  })

  it('are heard once by those who asked for one, or not at all when they took it back', () => {
    const board = new NoticeBoard<Told>()
    const once = vi.fn()
    const never = vi.fn()
    board.once('closed', once)
    board.once('closed', never)()
    board.emit('closed')
    board.emit('closed')
    expect(once).toHaveBeenCalledOnce()
    expect(never).not.toHaveBeenCalled()
  })

  it('reach the others and end well when a listener throws', () => {
    const failure = new Error('listener')
    const heard = vi.fn()
    const board = new NoticeBoard<Told>(heard)
    const after = vi.fn()
    board.on('closed', () => {
      throw failure
    })
    board.on('closed', after)
    board.emit('closed')
    expect(after).toHaveBeenCalledOnce()
    expect(heard.mock.calls).toStrictEqual([[failure]])
  })

  it('end no process when an async listener rejects', async () => {
    const failure = new Error('async listener')
    const heard = vi.fn()
    const board = new NoticeBoard<Told>(heard)
    board.on('closed', rejecting(failure))
    board.emit('closed')
    await Promise.resolve()
    await Promise.resolve()
    expect(heard.mock.calls).toStrictEqual([[failure]])
  })
})

// What a user writes who forgets that nobody waits for a listener.
function rejecting(failure: Error): () => void {
  return () => Promise.reject(failure) as unknown
}
