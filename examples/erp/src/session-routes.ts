/** `POST /session`: a token and a ticket for a demo account. */

import { InvalidInputError } from '@kerp/core'
import { findCompany } from './companies.js'
import { NotFoundError } from './http/errors.js'
import { textField } from './http/fields.js'
import type { RateLimits } from './http/rate-limits.js'
import { bodyFields, type HttpServer } from './http/server.js'
import type { Sessions } from './session.js'

const USER = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u

/** It becomes part of a key. */
const USER_BYTES_MAX = 128

/** Whose counters those of addresses are: nobody has a session yet, and no company is called so. */
const ANYBODY = 'anybody'

/** What the route works with. */
export interface SessionDoor {
  readonly sessions: Sessions
  /** Calls of one address; the address of a proxy counts for all behind it. */
  readonly limits: RateLimits
}

/** Registers the route; an address that calls it too often is answered 429 before the body is read. */
export function sessionRoutes(server: HttpServer, { sessions, limits }: SessionDoor): void {
  const onRequest = (request: { readonly ip: string }): Promise<void> =>
    limits.admit({ companyId: ANYBODY, user: request.ip, endpoint: 'POST.session' })
  server.post('/session', { onRequest }, (request) => {
    const body = bodyFields(request)
    const companyId = textField(body, 'company')
    const user = textField(body, 'user')
    if (!USER.test(user) || Buffer.byteLength(user) > USER_BYTES_MAX) {
      const expected = `a name of 1 to 64 letters, digits, spaces and . _ @ - in at most ${USER_BYTES_MAX} bytes`
      throw new InvalidInputError(
        'user',
        expected,
        user,
        undefined,
        () => `another text of ${user.length} characters`,
      )
    }
    if (findCompany(companyId) === undefined) {
      throw new NotFoundError('There is no such company.', 'COMPANY_NOT_FOUND')
    }
    return sessions.open({ companyId, user })
  })
}
