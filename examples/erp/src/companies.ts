/** The three demo companies: one currency each, the same chart of accounts, the same warehouses. */

/** A tenant of this ERP. */
export interface Company {
  readonly id: string
  readonly name: string
  /** Decides how many digits an amount has on the wire. */
  readonly currency: 'KRW' | 'GBP' | 'USD'
}

/** Every company that this app serves. */
export const COMPANIES: readonly Company[] = [
  { id: 'c1', name: '서울 도매', currency: 'KRW' },
  { id: 'c2', name: 'London Gifts', currency: 'GBP' },
  { id: 'c3', name: 'Boston Trading', currency: 'USD' },
]

/** Every company's fiscal year is the calendar year; the ledger refuses a voucher of another year than its date's. */
export function fiscalYearOf(date: string): number {
  return Number(date.slice(0, 'YYYY'.length))
}

/** Where every company keeps its goods; `W1` is the central one, where they arrive. */
export const WAREHOUSES = [
  { code: 'W1', name: '중앙 창고' },
  { code: 'W2', name: '북부 창고' },
  { code: 'W3', name: '남부 창고' },
] as const

/** The company of an id, or undefined. */
export function findCompany(id: string): Company | undefined {
  return COMPANIES.find((company) => company.id === id)
}
