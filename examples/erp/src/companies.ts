/** The three demo companies: one currency each, the same chart of accounts. */

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

/** The company of an id, or undefined. */
export function findCompany(id: string): Company | undefined {
  return COMPANIES.find((company) => company.id === id)
}
