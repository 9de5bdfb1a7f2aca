// The task that thread pools run in pool.bench.ts.
export default (number) => number
