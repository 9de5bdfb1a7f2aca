/** The one observation that names a company; metrics show it only when they are asked to. */

/** Work that was done for a company. */
export interface CompanyWork {
  readonly companyId: string
  /** `read` values asked of a cache · `posting` vouchers · `movement` of stock · `event` published. */
  readonly work: 'read' | 'posting' | 'movement' | 'event'
  readonly count: number
}
