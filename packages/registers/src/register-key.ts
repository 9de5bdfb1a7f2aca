/** Which row a register's key names: the way back from the keys in pushes. */

import type { RegisterFamily, RegisterRef } from '@kerp/core'
import { canonicalPart, type Keys, parseKey } from '@kerp/keys'

/**
 * A reader of one company's keys; it answers undefined for keys of others. Most keys need no decoding, and are cut
 * at their colons.
 */
export function registerKeyReader(keys: Keys, companyId: string): (key: string) => RegisterRef | undefined {
  const heads = (['balance', 'inventory'] as const).map((family) => {
    const sample = keys.register({ companyId, family, parts: ['1', '1'] })
    return { family, head: sample.slice(0, -'1:1'.length) }
  })
  return (key) => {
    const found = heads.find(({ head }) => key.startsWith(head))
    if (found === undefined) return undefined
    const { family, head } = found
    if (key.includes('%')) return decoded(key, companyId, family)
    const colon = key.indexOf(':', head.length)
    return colon < 0
      ? undefined
      : { companyId, family, parts: [key.slice(head.length, colon), key.slice(colon + 1)] }
  }
}

function decoded(key: string, companyId: string, family: RegisterFamily): RegisterRef | undefined {
  try {
    const parsed = parseKey(key)
    if (parsed.family === 'balance') {
      return { companyId, family, parts: [parsed.account, String(parsed.fiscalYear)] }
    }
    return parsed.family === 'inventory'
      ? { companyId, family, parts: [parsed.item, parsed.warehouse] }
      : undefined
  } catch {
    return undefined
  }
}

/** The ref under the one spelling of its names, which the database has; `key` is its register's. */
export function canonicalRef(ref: RegisterRef, key: string): RegisterRef {
  if (!key.includes('%')) return ref
  return { ...ref, parts: [canonicalPart(ref.parts[0]), canonicalPart(ref.parts[1])] }
}
