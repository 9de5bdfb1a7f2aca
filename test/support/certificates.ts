/** An authority that lives as long as a test, and certificates of it. */

import { generate } from 'selfsigned'

/** A certificate with its key, both as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Signs certificates that nobody else believes. */
export interface Authority {
  /** Its own certificate, for those who are to believe it. */
  readonly ca: string
  /** A certificate for a host; 127.0.0.1 is in it when the host is `localhost`. */
  certify(host: string): Promise<Certificate>
}

const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

/** Makes an authority in a few milliseconds. */
export async function newAuthority(): Promise<Authority> {
  const authority = await generate([{ name: 'commonName', value: 'an authority of tests' }], {
    ...KEY,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return {
    ca: authority.cert,
    async certify(host) {
      const loopback = host === 'localhost' ? [{ type: 7, ip: '127.0.0.1' } as const] : []
      const { cert, private: key } = await generate([{ name: 'commonName', value: host }], {
        ...KEY,
        ca: { key: authority.private, cert: authority.cert },
        extensions: [
          { name: 'basicConstraints', cA: false, critical: true },
          { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
          { name: 'subjectAltName', altNames: [{ type: 2, value: host }, ...loopback] },
        ],
      })
      return { cert, key }
    },
  }
}
