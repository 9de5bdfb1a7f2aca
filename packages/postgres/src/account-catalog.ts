/** Which accounts may be posted to: the port that the ledger asks, for hosts with a chart of their own. */

/** A `group` account has other accounts under it and takes no postings. */
export type AccountKind = 'postable' | 'group'

/** Answers for the accounts that exist; one that is not in the answer is unknown. */
export interface AccountCatalog {
  lookup(companyId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, AccountKind>>
}

/** Takes every account as postable, for hosts that check elsewhere. */
export const anyAccount: AccountCatalog = {
  lookup: (_companyId, accounts) =>
    Promise.resolve(new Map(accounts.map((account): [string, AccountKind] => [account, 'postable']))),
}
