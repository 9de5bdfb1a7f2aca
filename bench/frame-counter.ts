/** Counts the events that a server sends, by the heads of its WebSocket frames alone. */

/** So much of a frame says how many events are in it. */
const HEAD_BYTES = 64
const FROM_TO = /^\{"op":"events","from":"(\d+)","to":"(\d+)"/
/** One event each: an object of plain ws, a message of socket.io. */
const SINGLE = /^(?:\{"id"|42)/

/** Reads the bytes of one connection in whatever pieces they come. */
export class FrameCounter {
  #counted = 0
  /** Of the frame that is being read. */
  #rest = 0
  #head: Buffer = Buffer.alloc(0)

  read(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#rest > 0) {
        const skipped = Math.min(this.#rest, bytes.length - at)
        this.#rest -= skipped
        at += skipped
        continue
      }
      const known = this.#head.length
      const head =
        known === 0
          ? bytes.subarray(at, at + HEAD_BYTES)
          : Buffer.concat([this.#head, bytes.subarray(at, at + HEAD_BYTES - known)])
      const size = sizeOf(head)
      if (size === undefined || head.length < Math.min(size.total, HEAD_BYTES)) {
        this.#head = Buffer.from(head)
        return
      }
      this.#count(head.toString('latin1', size.start, Math.min(size.total, HEAD_BYTES)))
      this.#head = Buffer.alloc(0)
      this.#rest = size.total - known
    }
  }

  /** How many events have come since it was last asked. */
  take(): number {
    const counted = this.#counted
    this.#counted = 0
    return counted
  }

  #count(text: string): void {
    const [, from, to] = FROM_TO.exec(text) ?? []
    if (from !== undefined && to !== undefined) this.#counted += Number(to) - Number(from)
    else if (SINGLE.test(text)) this.#counted += 1
  }
}

/** Of a frame without a mask; undefined while its head is not complete. */
function sizeOf(head: Buffer): { readonly start: number; readonly total: number } | undefined {
  const length = (head[1] ?? 0) & 0x7f
  if (head.length < 2) return undefined
  if (length < 126) return { start: 2, total: 2 + length }
  if (length === 126) return head.length < 4 ? undefined : { start: 4, total: 4 + head.readUInt16BE(2) }
  return head.length < 10 ? undefined : { start: 10, total: 10 + head.readUInt32BE(6) }
}
