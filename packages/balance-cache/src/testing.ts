/** For tests of a host's own table. */

export { type TotalsConformance, totalsConform, type TotalsUnderTest } from './totals-conformance.js'
