/** One lifecycle for everything that holds something open: who opens it closes it, once. */

/** Something that is closed once; a second `close` waits for the first. */
export interface Closable extends AsyncDisposable {
  close(): Promise<void>
}

/** Makes a `close` of which only the first call does the work; all calls settle with it. */
export function closeOnce(work: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined
  return () => (closing ??= work())
}
