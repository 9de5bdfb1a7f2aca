/** The records of a file of comma- or semicolon-separated values, UTF-8 or nothing, packed by gzip or not. */

import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { InvalidInputError } from '@kerp/core'
import { CsvError, type CsvErrorCode, parse } from 'csv-parse'

/** One record, and the line on which each of its fields begins. */
export interface CsvRecord {
  readonly fields: readonly string[]
  readonly lineOf: (field: number) => number
}

/** The longest line, in bytes, and the longest record, so that an open quote does not take the whole file. */
const RECORD_BYTES_MAX = 65_536

const GZIP_MAGIC = 0x1f8b
const LINE_FEED = 0x0a
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Reads a file record by record, the header first. Line breaks are LF or CRLF, within quotes too, where both are
 * read as LF; empty lines are skipped; the header's separator, `,` or `;`, is the file's.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` with line and column for bytes that are not UTF-8, a quote that is
 * not closed or stands within a field, a record that has not the header's number of fields or is too long, and
 * gzip data that is cut or damaged. What the file system throws is thrown as it is.
 */
export async function readRecords(file: string, onRecord: (record: CsvRecord) => void): Promise<void> {
  const lines = linesOf(await openBytes(file))
  const first = await lines.next()
  if (first.done === true) return
  const [header = ''] = first.value.trimStart().split('\n', 1)
  const separator = header.split(';').length > header.split(',').length ? ';' : ','
  await parseText(joined(first.value, lines), separator, onRecord)
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}

async function parseText(
  text: AsyncIterable<string>,
  delimiter: string,
  onRecord: (record: CsvRecord) => void,
): Promise<void> {
  let header: readonly string[] = []
  /** The last line, and the number of empty ones, of what was parsed. */
  let parsed = { lines: 0, emptyLines: 0 }
  const parser = parse({
    delimiter,
    record_delimiter: '\n',
    skip_empty_lines: true,
    max_record_size: RECORD_BYTES_MAX,
    onRecord: (fields: string[], { lines, empty_lines: emptyLines }) => {
      parsed = { lines, emptyLines }
      if (header.length === 0) header = fields
      onRecord({ fields, lineOf: (field) => lines - lineFeedsIn(fields.slice(field).join('')) })
      return null
    },
  })
  try {
    await pipeline(Readable.from(text), parser.resume())
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const emptyLines = Number(error['empty_lines']) - parsed.emptyLines
    const line = BEGUN_BEFORE.has(error.code) ? parsed.lines + emptyLines + 1 : Number(error['lines'])
    const field = Number(error['column'])
    const where = `line ${line}, column ${header[field]?.trim() ?? field + 1}`
    throw new InvalidInputError(where, EXPECTED.get(error.code) ?? 'a field of a CSV file', error.message)
  }
}

/** What is only noticed on a later line than the one where the record begins. */
const BEGUN_BEFORE: ReadonlySet<CsvErrorCode> = new Set(['CSV_QUOTE_NOT_CLOSED', 'CSV_MAX_RECORD_SIZE'])

const EXPECTED: ReadonlyMap<CsvErrorCode, string> = new Map([
  ['CSV_QUOTE_NOT_CLOSED', 'a field whose quote is closed'],
  ['CSV_INVALID_CLOSING_QUOTE', 'a field that ends where its quote is closed'],
  ['INVALID_OPENING_QUOTE', 'a field that is quoted as a whole, or has no quote'],
  ['CSV_MAX_RECORD_SIZE', `in a record of at most ${RECORD_BYTES_MAX} bytes, each quote closed`],
  ['CSV_RECORD_INCONSISTENT_FIELDS_LENGTH', 'in a record of as many fields as the header'],
])

function lineFeedsIn(text: string): number {
  return text.split('\n').length - 1
}

async function openBytes(file: string): Promise<AsyncIterable<Buffer>> {
  const handle = await open(file)
  const magic = Buffer.alloc(2)
  await handle.read(magic, 0, 2, 0)
  await handle.close()
  const bytes = createReadStream(file)
  if (magic.readUInt16BE(0) !== GZIP_MAGIC) return bytes
  const unpacked = createGunzip()
  bytes.on('error', (error) => unpacked.destroy(error))
  return bytes.pipe(unpacked)
}

/** The text in pieces of whole lines, which end with LF. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new LineDecoder()
  try {
    for await (const chunk of chunks) {
      const text = decoder.add(chunk)
      if (text !== '') yield text
    }
  } catch (error) {
    if (!isUnpacking(error)) throw error
    throw new InvalidInputError(decoder.where(), 'followed by the rest of the gzip data', error.message)
  }
  const rest = decoder.end()
  if (rest !== '') yield rest
}

function isUnpacking(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code))
}

/** Decodes UTF-8 line by line, so that what is none can be named by line and column. */
class LineDecoder {
  #rest = Buffer.alloc(0)
  #lines = 0

  /** Returns the lines that are complete. */
  add(chunk: Buffer): string {
    const bytes = Buffer.concat([this.#rest, chunk])
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    const text = this.#decode(bytes.subarray(0, end))
    this.#rest = bytes.subarray(end)
    if (this.#rest.length <= RECORD_BYTES_MAX) return text
    throw new InvalidInputError(
      this.where(),
      `at most ${RECORD_BYTES_MAX} bytes from the line's beginning`,
      '',
    )
  }

  /** Returns the last line, if nothing ends it. */
  end(): string {
    return this.#decode(this.#rest)
  }

  /** The place behind what was added. */
  where(): string {
    return `line ${this.#lines + 1}, column ${Array.from(this.#rest.toString()).length + 1}`
  }

  #decode(bytes: Buffer): string {
    if (!isUtf8(bytes)) throw this.#refusalOf(bytes)
    const text = bytes.toString()
    const unmarked = this.#lines === 0 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
    this.#lines += lineFeedsIn(text)
    return unmarked.replaceAll('\r\n', '\n')
  }

  #refusalOf(bytes: Buffer): InvalidInputError {
    let [line, column, at] = [this.#lines + 1, 1, 0]
    for (let length = characterBytes(bytes, at); length > 0; length = characterBytes(bytes, at)) {
      if (bytes[at] === LINE_FEED) [line, column] = [line + 1, 1]
      else column += 1
      at += length
    }
    const got = `the bytes 0x${bytes.subarray(at, at + CHARACTER_BYTES_MAX).toString('hex')}`
    return new InvalidInputError(`line ${line}, column ${column}`, 'UTF-8 text', got)
  }
}

const CHARACTER_BYTES_MAX = 4

/** How many bytes the character has that begins here; 0 if none does. */
function characterBytes(bytes: Buffer, at: number): number {
  for (let length = 1; length <= CHARACTER_BYTES_MAX && at + length <= bytes.length; length += 1) {
    if (isUtf8(bytes.subarray(at, at + length))) return length
  }
  return 0
}
