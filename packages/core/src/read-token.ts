/**
 * Read tokens: what a writer hands to a later reader so that the reader sees the write.
 *
 * A token names, for each row that was written, the version it reached, and the epoch of the database that
 * assigned it. Where so many rows were written that not all have room, it says of which kind the others are, and these
 * are read from the database. It is opaque text; it grants nothing and may be shown to clients.
 */

import { InvalidInputError } from './errors.js'
import type { RegisterFamily, RegisterImage, RegisterRef } from './ports.js'

/** Opaque text made by `readTokenOf`. */
export type ReadToken = string

/** All rows of one family of a company. */
export interface ReadTokenGroup {
  readonly companyId: string
  readonly family: RegisterFamily
}

/** What a token asks for. */
export interface ReadTokenFacts {
  /** Undefined accepts any epoch: the caller then gives up the promise that the history is the same. */
  readonly epoch: string | undefined
  /** Versions by `registerName`. */
  readonly versions: ReadonlyMap<string, number>
  /** Rows of it without a version here may have been written, too: no cache is new enough for them. */
  readonly unnamed: ReadTokenGroup | undefined
}

const FORMAT = 't1'
const ALPHABET = /^[\w-]+$/

/** Room for the longest names of two thousand rows. */
const LENGTH_MAX = 1_048_576

/** One text per row, injective; only for maps inside a process and for tokens, never a Redis key. */
export function registerName(ref: RegisterRef): string {
  return JSON.stringify([ref.companyId, ref.family, ...ref.parts])
}

/**
 * A token for images that were committed together; several images of one row merge to its largest version. With
 * `unnamed` some rows of that group were committed with them and have no image here.
 */
export function readTokenOf(committed: {
  readonly epoch: string | undefined
  readonly images: readonly Pick<RegisterImage, 'ref' | 'version'>[]
  readonly unnamed?: ReadTokenGroup | undefined
}): ReadToken {
  const versions = new Map<string, number>()
  for (const image of committed.images) {
    const name = registerName(image.ref)
    versions.set(name, Math.max(versions.get(name) ?? 0, image.version))
  }
  const { epoch = null, unnamed } = committed
  // The fourth item is left out where it says nothing; a version of this library that does not know it passes over it.
  const group = unnamed === undefined ? [] : [[unnamed.companyId, unnamed.family]]
  return Buffer.from(JSON.stringify([FORMAT, epoch, [...versions], ...group])).toString('base64url')
}

/**
 * Reads a token back.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for anything that `readTokenOf` did not make.
 */
export function parseReadToken(token: unknown): ReadTokenFacts {
  const refuse = (): never => {
    throw new InvalidInputError('atLeast', 'a read token returned by a posting', token)
  }
  if (typeof token !== 'string' || token.length > LENGTH_MAX || !ALPHABET.test(token)) return refuse()
  const parsed = parseJson(Buffer.from(token, 'base64url').toString('utf8'))
  if (!Array.isArray(parsed) || parsed[0] !== FORMAT || !Array.isArray(parsed[2])) return refuse()
  const epoch: unknown = parsed[1]
  if (epoch !== null && typeof epoch !== 'string') return refuse()
  const versions = new Map<string, number>()
  for (const pair of parsed[2] as readonly unknown[]) {
    if (!Array.isArray(pair)) return refuse()
    const [name, version] = pair as readonly unknown[]
    if (typeof name !== 'string' || versions.has(name) || !isVersion(version)) return refuse()
    versions.set(name, version)
  }
  const unnamed = parsed[3] === undefined ? undefined : (groupOf(parsed[3]) ?? refuse())
  return { epoch: epoch ?? undefined, versions, unnamed }
}

function groupOf(value: unknown): ReadTokenGroup | undefined {
  if (!Array.isArray(value)) return undefined
  const [companyId, family] = value as readonly unknown[]
  if (typeof companyId !== 'string' || (family !== 'balance' && family !== 'inventory')) return undefined
  return { companyId, family }
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
