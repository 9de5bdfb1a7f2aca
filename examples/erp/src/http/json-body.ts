/** Reads a JSON body, bounded, without giving up the connection when it is too long or no JSON. */

import type { Readable } from 'node:stream'
import { BodyTooLargeError, MalformedRequestError } from './errors.js'

/** The longest body that is read: 256 KiB. */
export const BODY_BYTES_MAX = 262_144

/**
 * The parsed body; undefined when it is empty. Numbers stay JavaScript numbers, which is why money and
 * quantities are strings.
 *
 * @throws {MalformedRequestError} `MALFORMED_REQUEST` for what is not JSON in UTF-8, or would poison a prototype.
 * @throws {BodyTooLargeError} `BODY_TOO_LARGE`. The rest of the body is left to the HTTP server, which skips it.
 */
export async function readJsonBody(body: Readable, contentLength: string | undefined): Promise<unknown> {
  if (contentLength !== undefined && Number(contentLength) > BODY_BYTES_MAX) {
    throw new BodyTooLargeError(BODY_BYTES_MAX)
  }
  const bytes = await readBounded(body)
  return bytes.length === 0 ? undefined : parseJson(bytes)
}

/** Not a `for await`: leaving that loop early would destroy the stream, and with it the connection. */
function readBounded(body: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = (): void => {
      body.off('data', take).off('end', finish).off('error', cut).off('close', cut)
    }
    const fail = (error: Error): void => {
      stop()
      reject(error)
    }
    const finish = (): void => {
      stop()
      resolve(Buffer.concat(chunks))
    }
    const cut = (): void => fail(new MalformedRequestError('The body ended too early.'))
    const take = (chunk: Buffer): void => {
      length += chunk.length
      chunks.push(chunk)
      if (length > BODY_BYTES_MAX) fail(new BodyTooLargeError(BODY_BYTES_MAX))
    }
    // An upload that breaks off is its sender's doing, whatever the socket calls it.
    body.on('data', take).on('end', finish).on('error', cut).on('close', cut)
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes), refusePoison)
  } catch {
    throw new MalformedRequestError('The body must be JSON in UTF-8, without the key __proto__.')
  }
}

function refusePoison(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new MalformedRequestError('The key __proto__ is refused.')
  return value
}
