/**
 * What scripts publish on a company's registers channel: the changed registers, for tiers inside processes.
 *
 * The first line is `p1|generation|epoch|from|to|asOf`; `from` and `to` are empty for changes that do not move
 * the watermark. Each further line is a key, a bar, and the image text, or nothing for a register that was
 * removed. No further line under another generation than before: everything is void.
 */

/** One changed register. */
export interface PushEntry {
  readonly key: string
  /** Undefined: the register was removed. */
  readonly imageText: string | undefined
}

/** One push. */
export interface RegisterPush {
  readonly generation: string
  readonly epoch: string
  /** Empty when the push does not move the watermark. */
  readonly from: string
  readonly to: string
  readonly asOfMs: number
  readonly entries: readonly PushEntry[]
}

/** The push in a message, or undefined for a message that no script published. */
export function parsePush(message: string): RegisterPush | undefined {
  const [head = '', ...lines] = message.split('\n')
  const [format, generation, epoch, from, to, asOf] = head.split('|')
  if (format !== 'p1' || generation === undefined || epoch === undefined) return undefined
  if (from === undefined || to === undefined || asOf === undefined) return undefined
  const entries = lines.map((line): PushEntry => {
    const bar = line.indexOf('|')
    const imageText = line.slice(bar + 1)
    return { key: line.slice(0, bar), imageText: imageText === '' ? undefined : imageText }
  })
  return { generation, epoch, from, to, asOfMs: Number(asOf), entries }
}
