/** Why there is no connection, in words that say what to do; they quote nothing that a server or caller wrote. */

/** What is known of an attempt to connect. */
export interface ConnectAttempt {
  readonly speaksTls: boolean
  /** The server took it, and TLS was agreed on if it is spoken. */
  readonly isAccepted: boolean
}

const OF_NO_AUTHORITY =
  /^(?:UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_SIGNATURE_FAILURE)$/
const WANTS_CERTIFICATE =
  'the server ends the connection, as one does that wants a certificate of the client: give `tls.cert` and `tls.key`'

const TLS_FAULTS: readonly (readonly [RegExp, string])[] = [
  [
    OF_NO_AUTHORITY,
    'the server shows a certificate of an authority that this client does not know: name it in `tls.ca`',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'the server shows a certificate for another host: connect by a name that is in it, or give that as `tls.servername`',
  ],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, 'the server shows a certificate that is not valid now: renew it'],
  [/^ERR_SSL_(?:TLSV1_ALERT|SSLV3_ALERT|TLSV13_ALERT)_[A-Z_]{1,60}$/, WANTS_CERTIFICATE],
]

/** What an error of ioredis or Node says of an attempt, or undefined. */
export function connectFaultOf(error: unknown, attempt: ConnectAttempt): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = textOf(error, 'code')
  const known = TLS_FAULTS.find(([pattern]) => pattern.test(code))?.[1]
  if (known !== undefined) return known
  if (attempt.isAccepted && /^(?:ECONNRESET|EPIPE)$/.test(code)) return endedSilently(attempt)
  if (attempt.speaksTls && code === 'ETIMEDOUT') return `${code}; what listens on this port may not speak TLS`
  if (/^E[A-Z_]{2,20}$/.test(code)) return code
  // A cluster client says that all nodes failed, and keeps the error of the last one.
  return connectFaultOf(Reflect.get(error, 'lastNodeError'), attempt)
}

/** Of a connection that the server accepted and ended without a word. */
export function endedSilently({ speaksTls }: ConnectAttempt): string {
  if (speaksTls) return WANTS_CERTIFICATE
  return 'the server accepts the connection and ends it without a word, as a TLS port does: connect by `rediss:` or `tls`'
}

function textOf(error: Error, name: string): string {
  const value: unknown = Reflect.get(error, name)
  return typeof value === 'string' ? value : ''
}
