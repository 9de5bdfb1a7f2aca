/** A first-in first-out list whose links are the members themselves: no memory of its own, and any can leave in O(1). */

/** What a member of a list carries. It is in one list at a time. */
export interface Linked<J extends Linked<J>> {
  list: JobList<J> | undefined
  before: J | undefined
  after: J | undefined
}

/** Members in the order of their arrival. */
export class JobList<J extends Linked<J>> {
  first: J | undefined
  last: J | undefined
  size = 0

  push(job: J): void {
    job.list = this
    job.before = this.last
    if (this.last === undefined) this.first = job
    else this.last.after = job
    this.last = job
    this.size += 1
  }

  unshift(job: J): void {
    job.list = this
    job.after = this.first
    if (this.first === undefined) this.last = job
    else this.first.before = job
    this.first = job
    this.size += 1
  }

  /** Takes out the first. It writes less than `remove`, and every job leaves this way once. */
  shift(): J | undefined {
    const job = this.first
    if (job === undefined) return undefined
    const next = job.after
    this.first = next
    if (next === undefined) this.last = undefined
    else next.before = undefined
    job.after = undefined
    job.list = undefined
    this.size -= 1
    return job
  }

  remove(job: J): void {
    if (job.before === undefined) this.first = job.after
    else job.before.after = job.after
    if (job.after === undefined) this.last = job.before
    else job.after.before = job.before
    job.before = undefined
    job.after = undefined
    job.list = undefined
    this.size -= 1
  }
}
