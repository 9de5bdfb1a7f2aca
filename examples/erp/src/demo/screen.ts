/** What the demo shows: lines, progress bars that move in place on a terminal, tables. */

/** One bar; it disappears into a plain line when its work is done. */
export interface ProgressBar {
  advance(count?: number): void
  /** Replaces what stands behind the bar. */
  note(text: string): void
  /** Ends the bar, wherever it stands. */
  finish(): void
}

/** Where the demo writes; `process.stdout` is one. */
export interface ScreenStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const WIDTH = 24
const REDRAW_MS = 80
const UP_AND_CLEAR = '\u001B[1A\u001B[2K'
/** Without a terminal a bar is a line at each of these parts of its work. */
const PLAIN_PARTS = 4

interface BarState {
  readonly label: string
  readonly total: number
  done: number
  note: string
  shownParts: number
}

/** Writes lines, and keeps the running bars below them. */
export class Screen {
  readonly #stream: ScreenStream
  readonly #bars: BarState[] = []
  #drawnLines = 0
  #drawnMs = -Infinity

  constructor(stream: ScreenStream) {
    this.#stream = stream
  }

  line(text = ''): void {
    this.#erase()
    this.#stream.write(`${text}\n`)
    this.#draw()
  }

  /** Two or more columns, each as wide as its widest cell. */
  table(rows: readonly (readonly string[])[]): void {
    const columns = Math.max(0, ...rows.map((row) => row.length))
    const widths = Array.from({ length: columns }, (_, at) =>
      Math.max(...rows.map((row) => widthOf(row[at] ?? ''))),
    )
    for (const row of rows) {
      this.line(
        row
          .map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - widthOf(cell)))
          .join('  ')
          .trimEnd(),
      )
    }
  }

  bar(label: string, total: number): ProgressBar {
    const bar: BarState = { label, total, done: 0, note: '', shownParts: 0 }
    this.#bars.push(bar)
    this.#redraw(true)
    return {
      advance: (count = 1) => {
        bar.done += count
        this.#moved(bar)
      },
      note: (text) => {
        bar.note = text
      },
      finish: () => {
        if (!this.#bars.includes(bar)) return
        this.#bars.splice(this.#bars.indexOf(bar), 1)
        this.line(textOf(bar))
      },
    }
  }

  #moved(bar: BarState): void {
    if (this.#stream.isTTY === true) {
      this.#redraw(false)
      return
    }
    const parts = Math.floor((bar.done / bar.total) * PLAIN_PARTS)
    if (parts <= bar.shownParts || parts >= PLAIN_PARTS) return
    bar.shownParts = parts
    this.#stream.write(`${textOf(bar)}\n`)
  }

  #redraw(now: boolean): void {
    if (!now && performance.now() - this.#drawnMs < REDRAW_MS) return
    this.#erase()
    this.#draw()
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#stream.write(UP_AND_CLEAR.repeat(this.#drawnLines))
    this.#drawnLines = 0
  }

  #draw(): void {
    if (this.#stream.isTTY !== true) return
    this.#stream.write(this.#bars.map((bar) => `${textOf(bar)}\n`).join(''))
    this.#drawnLines = this.#bars.length
    this.#drawnMs = performance.now()
  }
}

function textOf({ label, total, done, note }: BarState): string {
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * WIDTH)
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled)
  return `${label} ${bar} ${done}/${total}${note === '' ? '' : ` ${note}`}`
}

/** Hangul and other wide letters take two columns of a terminal. */
function widthOf(text: string): number {
  return Array.from(text).reduce(
    (width, letter) =>
      width + (/[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uFF00-\uFF60]/.test(letter) ? 2 : 1),
    0,
  )
}
