/** The part of `async` that is measured; the package ships no types. */
declare module 'async' {
  interface Queue<I> {
    pushAsync(input: I): Promise<unknown>
  }
  const async: { queue<I>(worker: (input: I) => Promise<unknown>, concurrency: number): Queue<I> }
  export default async
}
