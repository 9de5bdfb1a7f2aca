/** What an audit answers, whatever it looked at. */

/** One statement about the books or the goods, whether it holds, and by what figure. */
export interface AuditLine {
  readonly name: string
  readonly ok: boolean
  readonly figure: string
  /** How many things differ; 0 for a line that only measures. */
  readonly differences: number
}
