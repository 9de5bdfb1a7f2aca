/** The employees of `c1`: 10,000 of them, drawn from real wage quantiles, the same ones in every database. */

import { seededRandom } from '@kerp/core/testing'
import type { PayrollRules } from './payroll-rules.js'
import type { Pay } from './payslip.js'

/** Somebody who is paid. */
export interface Employee extends Pay {
  readonly id: string
}

/** The only company with employees, and how many. */
export const EMPLOYER = { companyId: 'c1', employees: 10_000 } as const

const SEED = 20_260_630
const MONTHS = 12n
const WON_UNIT = 1_000n
const MEAL = 200_000n
const SHARE_WITH_MEAL = 0.8
/** Part-time work: what the lowest of all earn in a year, in won. */
const LOWEST_YEAR = 3_600_000n
/** How often families of one, two, … are drawn. */
const FAMILY_SHARES = [0.38, 0.24, 0.2, 0.14, 0.03, 0.01]

/** Draws employees; the first n of them are the same for every count. */
export function drawEmployees(count: number, rules: PayrollRules): readonly Employee[] {
  const random = seededRandom(SEED)
  return Array.from({ length: count }, (_, index) => {
    const month = yearlyWage(random.fraction(), rules) / MONTHS
    const meal = random.fraction() < SHARE_WITH_MEAL ? MEAL : 0n
    const family = familySize(random.fraction())
    const children = Math.min(Math.max(0, family - 2), Math.floor(random.fraction() * family))
    const gross = (month / WON_UNIT) * WON_UNIT
    return { id: employeeId(index), gross, meal: gross > meal ? meal : 0n, family, children }
  })
}

function employeeId(index: number): string {
  return `E${String(index + 1).padStart(5, '0')}`
}

/** Between two quantiles wages grow by the same factor for the same share, as they do in life. */
function yearlyWage(share: number, { wageQuantiles }: PayrollRules): bigint {
  let [belowShare, belowWage] = [0, LOWEST_YEAR]
  for (const [quantile, wage] of wageQuantiles) {
    if (share < quantile) {
      const part = (share - belowShare) / (quantile - belowShare)
      return BigInt(Math.round(Number(belowWage) * (Number(wage) / Number(belowWage)) ** part))
    }
    ;[belowShare, belowWage] = [quantile, wage]
  }
  return belowWage
}

function familySize(share: number): number {
  let sum = 0
  for (const [index, part] of FAMILY_SHARES.entries()) {
    sum += part
    if (share < sum) return index + 1
  }
  return FAMILY_SHARES.length
}
