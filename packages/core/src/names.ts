/** The one limit of a name, for every layer: what is posted can be cached, sent and read back. */

/** The most bytes of a name (account, item, warehouse, id, tag, …), in UTF-8 after NFC. */
export const NAME_BYTES_MAX = 128

/** The units of UTF-16 beyond which no text has `NAME_BYTES_MAX` bytes, however it is composed. */
const NAME_LENGTH_MAX = 4 * NAME_BYTES_MAX

/**
 * The one spelling of a name: Unicode NFC, so that texts which look the same name the same thing. Undefined for what can
 * be none: no text, empty, over `bytesMax` bytes, or with a lone surrogate, which has no UTF-8.
 */
export function canonicalName(value: unknown, bytesMax = NAME_BYTES_MAX): string | undefined {
  if (typeof value !== 'string' || value.length === 0 || value.length > NAME_LENGTH_MAX) return undefined
  const name = value.normalize('NFC')
  return Buffer.byteLength(name) <= bytesMax && !/\p{Surrogate}/u.test(name) ? name : undefined
}
