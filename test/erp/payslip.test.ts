/** Pay slips, equal to the won to published ones and to ones that were computed apart from this code. */

import { beforeAll, describe, expect, it } from 'vitest'
import { type PayrollRules, readPayrollRules } from '../../examples/erp/src/payroll-rules.js'
import { type Payslip, payslipOf } from '../../examples/erp/src/payslip.js'

let rules: PayrollRules
beforeAll(async () => {
  rules = await readPayrollRules()
})

interface Pay {
  readonly month: string
  readonly gross: bigint
  readonly meal: bigint
  readonly family: number
  readonly children: number
}

type Deductions = readonly [bigint, bigint, bigint, bigint, bigint, bigint]

function slip({ month, ...pay }: Pay): Payslip {
  const period = rules.periodOf(month)
  if (period === undefined) throw new Error(`there are no rules for ${month}`)
  return payslipOf(pay, period, rules)
}

function of(month: string, gross: bigint, meal: bigint, family: number, children: number): Pay {
  return { month, gross, meal, family, children }
}

// Pension, health, long-term care, employment, income tax, local income tax; and what is left.
const GOLDEN: readonly (readonly [string, Pay, Deductions, bigint])[] = [
  [
    'the published slip of 3,000,000 won, alone',
    of('2025-01', 3_000_000n, 0n, 1, 0),
    [135_000n, 106_350n, 13_770n, 27_000n, 74_350n, 7_430n],
    2_636_100n,
  ],
  [
    'the published slip of 5,000,000 won, family of three',
    of('2025-01', 5_000_000n, 0n, 3, 0),
    [225_000n, 177_250n, 22_950n, 45_000n, 237_850n, 23_780n],
    4_268_170n,
  ],
  [
    'less than the lowest base of the pension',
    of('2026-06', 300_000n, 0n, 1, 0),
    [19_000n, 10_780n, 1_410n, 2_700n, 0n, 0n],
    266_110n,
  ],
  [
    'a won below the table of taxes',
    of('2026-06', 769_999n, 0n, 1, 0),
    [36_520n, 27_680n, 3_630n, 6_920n, 0n, 0n],
    695_249n,
  ],
  [
    'the minimum wage of a month',
    of('2026-06', 2_156_880n, 0n, 1, 0),
    [102_410n, 77_530n, 10_180n, 19_410n, 24_340n, 2_430n],
    1_920_580n,
  ],
  [
    'the same with a meal allowance, which changes no deduction',
    of('2026-06', 2_356_880n, 200_000n, 1, 0),
    [102_410n, 77_530n, 10_180n, 19_410n, 24_340n, 2_430n],
    2_120_580n,
  ],
  [
    'a family whose credit for children is more than the tax',
    of('2026-06', 3_560_000n, 200_000n, 4, 2),
    [159_600n, 120_790n, 15_870n, 30_240n, 0n, 0n],
    3_233_500n,
  ],
  [
    'a meal allowance above its bound',
    of('2026-06', 3_560_000n, 300_000n, 4, 3),
    [159_600n, 120_790n, 15_870n, 30_240n, 0n, 0n],
    3_233_500n,
  ],
  [
    'exactly the highest base of the pension',
    of('2026-06', 6_370_000n, 0n, 1, 0),
    [302_570n, 229_000n, 30_090n, 57_330n, 587_550n, 58_750n],
    5_104_710n,
  ],
  [
    'above it, with one child',
    of('2026-06', 6_370_999n, 0n, 2, 1),
    [302_570n, 229_030n, 30_090n, 57_330n, 519_080n, 51_900n],
    5_180_999n,
  ],
  [
    'the highest base of the next half-year',
    of('2026-07', 6_590_000n, 0n, 1, 0),
    [313_020n, 236_910n, 31_130n, 59_310n, 637_450n, 63_740n],
    5_248_440n,
  ],
  [
    'above that',
    of('2026-07', 6_600_000n, 0n, 1, 0),
    [313_020n, 237_270n, 31_170n, 59_400n, 641_980n, 64_190n],
    5_252_970n,
  ],
  [
    'a won below ten million',
    of('2026-06', 9_999_999n, 0n, 1, 0),
    [302_570n, 359_490n, 47_230n, 89_990n, 1_503_990n, 150_390n],
    7_546_339n,
  ],
  [
    'exactly ten million',
    of('2026-06', 10_000_000n, 0n, 1, 0),
    [302_570n, 359_500n, 47_240n, 90_000n, 1_507_400n, 150_740n],
    7_542_550n,
  ],
  [
    'a won above ten million',
    of('2026-06', 10_000_001n, 0n, 1, 0),
    [302_570n, 359_500n, 47_240n, 90_000n, 1_532_400n, 153_240n],
    7_515_051n,
  ],
  [
    'the end of the first bracket, with a child',
    of('2026-06', 14_000_000n, 0n, 3, 1),
    [302_570n, 503_300n, 66_130n, 126_000n, 2_577_010n, 257_700n],
    10_167_290n,
  ],
  [
    'the same taxable pay with a meal allowance, without the child',
    of('2026-06', 14_200_000n, 200_000n, 3, 0),
    [302_570n, 503_300n, 66_130n, 126_000n, 2_597_840n, 259_780n],
    10_344_380n,
  ],
  [
    'the third bracket',
    of('2026-06', 28_500_000n, 0n, 2, 0),
    [302_570n, 1_024_570n, 134_630n, 256_500n, 8_238_170n, 823_810n],
    17_719_750n,
  ],
  [
    'the highest bracket',
    of('2026-06', 94_808_333n, 0n, 1, 0),
    [302_570n, 3_408_350n, 447_870n, 853_270n, 36_055_740n, 3_605_570n],
    50_134_963n,
  ],
  [
    'a family of eleven',
    of('2025-08', 5_000_000n, 0n, 11, 0),
    [225_000n, 177_250n, 22_950n, 45_000n, 87_850n, 8_780n],
    4_433_170n,
  ],
  [
    'a family larger than the table',
    of('2025-08', 12_000_000n, 0n, 13, 0),
    [286_650n, 425_400n, 55_090n, 108_000n, 1_611_840n, 161_180n],
    9_351_840n,
  ],
  [
    'four children and little pay',
    of('2026-03', 1_500_000n, 200_000n, 5, 4),
    [61_750n, 46_730n, 6_140n, 11_700n, 0n, 0n],
    1_373_680n,
  ],
]

describe('A pay slip is right to the won', () => {
  it.each(GOLDEN)('for %s', (_words, pay, deductions, net) => {
    const { pension, health, longTermCare, employment, incomeTax, localIncomeTax, ...rest } = slip(pay)
    expect([pension, health, longTermCare, employment, incomeTax, localIncomeTax]).toEqual(deductions)
    expect(rest).toEqual({ gross: pay.gross, net })
  })

  it('and adds up, for every step of pay', () => {
    for (let gross = 100_000n; gross < 30_000_000n; gross += 37_123n) {
      const { net, gross: paid, ...deductions } = slip(of('2026-06', gross, 0n, 2, 0))
      expect(net + Object.values(deductions).reduce((sum, part) => sum + part, 0n)).toBe(paid)
      for (const part of Object.values(deductions)) expect(part % 10n).toBe(0n)
    }
  })

  it('only in months that have rules', () => {
    expect(rules.periodOf('2024-12')).toBeUndefined()
    expect(rules.periodOf('2026-02')).toBeUndefined()
    expect(rules.periodOf('2026-03')?.from).toBe('2026-03')
  })
})
