/**
 * By which names the app may be called. A page of anybody can have its own name turned to this machine's address once it is
 * loaded (DNS rebinding); its requests then reach the app from inside, with that page's name as their `Host`.
 */

/** The parts of a `Host` header. */
interface Host {
  /** In lower case; an IPv6 address without its brackets. */
  readonly name: string
  readonly port: string | undefined
}

const HOST = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::(\d{1,5}))?$/
const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/

/** Whether a name without a port is this machine's own. */
export function isLoopback(name: string): boolean {
  return LOOPBACK.test(name)
}

/** Reads a host with or without a port; undefined for a text that is none. */
export function readHost(text: string): Host | undefined {
  const [, address, name, port] = HOST.exec(text.toLowerCase()) ?? []
  const found = address ?? name
  return found === undefined ? undefined : { name: found, port }
}

/** Tells loopback, the app's own `host` and those of `allowedHosts`, whatever their port unless one is given, from all others. */
export function hostCheck({
  host: own,
  allowedHosts,
}: {
  readonly host: string
  readonly allowedHosts: readonly string[]
}): (header: string | undefined) => boolean {
  const allowed = new Set([own.toLowerCase(), ...allowedHosts])
  return (header) => {
    const host = readHost(header ?? '')
    if (host === undefined) return false
    const { name, port } = host
    return isLoopback(name) || allowed.has(name) || (port !== undefined && allowed.has(`${name}:${port}`))
  }
}
