/** Texts that try to break out of their place in a key, for the property tests. */

import fc from 'fast-check'

const nasty = [
  ':',
  '{',
  '}',
  '*',
  '?',
  '[',
  ']',
  '\\',
  '%',
  ' ',
  '\r\n',
  '\0',
  '%3A',
  '{c2}',
  ':balance:',
  '..',
]
const composed = [
  '계정',
  '계정'.normalize('NFD'),
  'é',
  'e\u0301',
  '\u212b',
  '\u00c5',
  '😀',
  '\u202e',
  '\uffff',
]

/** Well-formed texts of 1 to 128 bytes after NFC. */
export const partText = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 30 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
    fc.array(fc.constantFrom(...nasty, ...composed, 'a', '1'), { minLength: 1, maxLength: 8 }).map(join),
  )
  .filter((text) => !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text.normalize('NFC')) <= 128)

/** A few short texts that are one keystroke apart, so that pairs of them collide if anything can. */
export const closeText = fc
  .array(fc.constantFrom(':', '%', '%3A', 'a', '{c1}', '}', 'é', 'e\u0301'), { minLength: 1, maxLength: 2 })
  .map(join)

/** Tenant ids over the whole grammar, UUIDs among them. */
export const companyId = fc.oneof(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/), fc.uuid())

/** Years as the grammar allows them. */
export const fiscalYear = fc.integer({ min: 1, max: 9999 })

function join(pieces: readonly string[]): string {
  return pieces.join('')
}
