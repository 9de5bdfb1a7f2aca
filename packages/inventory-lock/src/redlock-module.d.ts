/** redlock 4.2.0 ships no types; what is used of it is checked and typed in redlock.ts. */

declare module 'redlock' {
  const Redlock: unknown
  export default Redlock
}
