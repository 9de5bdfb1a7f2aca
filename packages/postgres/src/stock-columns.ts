/** The columns of the rows that `write` inserts and changes, as array texts. */

import { appendRow, arrayOf, emptyColumns, textElement, traceparentArray } from './array-text.js'
import { DatabaseUnsuitableError } from './errors.js'
import type { AcceptedMovement } from './stock-judge.js'
import type { StockRows } from './stock-rows.js'
import { END_STATES, isEnd } from './stock-work.js'

/** The parameters of `write`, and how many rows it must write. */
export interface WrittenColumns {
  readonly parameters: string[]
  readonly counts: Readonly<Record<'movements' | 'lines' | 'holds' | 'ends' | 'outbox', number>>
}

/** Lays accepted movements out. */
export function writtenColumns(accepted: readonly AcceptedMovement[], rows: StockRows): WrittenColumns {
  const changed = rows.changed
  const movements = emptyColumns(6)
  const lines = emptyColumns(10)
  const holds = emptyColumns(4)
  const ends = emptyColumns(3)
  for (const movement of accepted) {
    const { work, kind, expiresAtMs } = movement
    const company = textElement(work.companyId)
    const id = textElement(work.id)
    appendRow(movements, [company, work.space, id, kind, work.hash, textElement(rowsOf(movement))])
    appendLines(lines, movement, company, id)
    if (isEnd(kind)) appendRow(ends, [company, id, END_STATES[kind]])
    else if (expiresAtMs !== undefined) {
      const moment = `"${new Date(expiresAtMs).toISOString()}"`
      appendRow(holds, [company, id, textElement(heldLines(movement)), moment])
    }
  }
  return {
    parameters: [
      ...rows.parameters(changed),
      arrayOf(changed.map((row) => row.onHandAdded)),
      arrayOf(changed.map((row) => row.reservedAdded)),
      arrayOf(changed.map((row) => row.movementsAdded)),
      arrayOf(changed.map((row) => row.fence)),
      ...[...movements, ...lines, ...holds, ...ends].map(arrayOf),
      traceparentArray(changed.map((row) => row.traceparent)),
    ],
    counts: {
      movements: accepted.length,
      lines: lines[0]?.length ?? 0,
      holds: holds[0]?.length ?? 0,
      ends: ends[0]?.length ?? 0,
      outbox: changed.length,
    },
  }
}

function appendLines(
  lines: readonly string[][],
  { work, changes, images }: AcceptedMovement,
  company: string,
  id: string,
): void {
  changes.forEach(({ item, warehouse, onHand, reserved }, index) => {
    const image = images[index]
    if (image === undefined) throw new DatabaseUnsuitableError('A movement has a change without an image.')
    appendRow(lines, [
      company,
      textElement(item),
      textElement(warehouse),
      String(image.version),
      work.space,
      id,
      onHand.toString(),
      reserved.toString(),
      image.fields[0],
      image.fields[1],
    ])
  })
}

function rowsOf({ images }: AcceptedMovement): string {
  return JSON.stringify(images.map(({ ref, version }) => [...ref.parts, version]))
}

function heldLines({ changes }: AcceptedMovement): string {
  return JSON.stringify(
    changes.map(({ item, warehouse, reserved }) => [item, warehouse, reserved.toString()]),
  )
}
