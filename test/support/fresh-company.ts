/** A company that no other test has: what lets all files share one server at the same time. */

import { systemRandom } from '@kerp/core'

/** A company id that was never used before, for example `t-5f0c1a2b9d3e`. */
export function freshCompany(): string {
  return `t-${systemRandom.hex(6)}`
}
