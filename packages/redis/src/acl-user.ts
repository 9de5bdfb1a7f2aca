/** Writes the rules of a Redis user who may do what its service needs, and nothing else. */

import { hash } from 'node:crypto'
import { InvalidOptionError, textOption, objectOptions } from '@kerp/core'
import { CONNECTION_COMMANDS, type RedisRole, ROLE_GRANTS } from './acl-roles.js'

/** Who the user is, and what for. */
export interface AclUserOptions {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly name: string
  /** At least 20 characters: Redis keeps an unsalted SHA-256 of it, which short ones do not withstand. */
  readonly password: string
  /** What the service does with Redis. It may use each command of one role on the keys of another as well. */
  readonly roles: readonly RedisRole[]
  /** The namespace of the service's `Keys`. @defaultValue none */
  readonly namespace?: string | undefined
  /**
   * Only this company's keys and channels. Names that companies share stay open: heartbeats, the list of companies and
   * the channels that wake waiters of locks. Not with `sessions` and `batches`, which belong to no company.
   * @defaultValue every company
   */
  readonly companyId?: string | undefined
}

/** The user in the two forms that Redis takes. Neither holds the password, only its SHA-256. */
export interface AclUser {
  /** Arguments of `ACL`: `SETUSER`, the name, the rules. Sets all anew, whatever the user had before. */
  readonly setUser: readonly string[]
  /** A line of the server's `aclfile`. */
  readonly line: string
}

const OWNER = 'aclUser'
const NAME = { pattern: /^[\w.-]{1,64}$/, words: '1 to 64 of A-Z a-z 0-9 . _ -', fallback: '' }
const NAMESPACE = { pattern: /^[A-Za-z0-9][\w.-]{0,31}$/, words: 'a namespace of Keys', fallback: '' }
const COMPANY = { pattern: /^[A-Za-z0-9][\w-]{0,62}$/, words: 'a company id', fallback: '*' }
const PASSWORD = { pattern: /^.{20,512}$/su, words: 'at least 20 characters long', fallback: '' }

/**
 * Makes the rules of a user. Redis 6.2 or newer understands them, those of sharded channels 7.0 or newer.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`, which never quotes the password.
 * @example
 * const { line } = aclUser({ name: 'posting', password: 'correct-horse-battery', roles: ['locks'], companyId: 'c1' })
 * line.includes('~lock:{c1}:* resetchannels &lock-wake:*') // => true
 */
export function aclUser(options: AclUserOptions): AclUser {
  const rules = rulesOf(objectOptions(OWNER, options))
  const name = textOption(OWNER, 'name', options.name, NAME)
  if (name === '') throw new InvalidOptionError(OWNER, 'name', NAME.words, options.name)
  return { setUser: ['SETUSER', name, ...rules], line: ['user', name, ...rules].join(' ') }
}

function rulesOf({ roles, password, namespace, companyId }: AclUserOptions): readonly string[] {
  if (typeof password !== 'string' || !PASSWORD.pattern.test(password)) {
    throw new InvalidOptionError(OWNER, 'password', PASSWORD.words, '(not shown)')
  }
  const company = textOption(OWNER, 'companyId', companyId, COMPANY)
  const stem = textOption(OWNER, 'namespace', namespace, NAMESPACE)
  const prefix = stem === '' ? '' : `${stem}:`
  const grants = roles.map((role) => grantOf(role, company !== COMPANY.fallback))
  if (grants.length === 0) throw new InvalidOptionError(OWNER, 'roles', 'a list of at least one role', roles)
  const named = (names: readonly string[]): readonly string[] =>
    unique(names).map((name) => `${prefix}${name.replace('{C}', `{${company}}`)}`)
  return [
    'reset',
    'on',
    `#${hash('sha256', password)}`,
    ...named(grants.flatMap(({ keys }) => keys)).map((pattern) => `~${pattern}`),
    'resetchannels',
    ...named(grants.flatMap(({ channels }) => channels)).map((pattern) => `&${pattern}`),
    ...unique([...grants.flatMap(({ commands }) => commands), ...CONNECTION_COMMANDS]).map(
      (command) => `+${command}`,
    ),
  ]
}

function grantOf(role: RedisRole, isOfCompany: boolean): (typeof ROLE_GRANTS)[RedisRole] {
  const words = Object.keys(ROLE_GRANTS)
  if (!words.includes(role)) throw new InvalidOptionError(OWNER, 'roles', `of ${words.join(', ')}`, role)
  if (isOfCompany && !ROLE_GRANTS[role].keys.some((key) => key.includes('{C}'))) {
    throw new InvalidOptionError(
      OWNER,
      'roles',
      'without what belongs to no company, beside `companyId`',
      role,
    )
  }
  return ROLE_GRANTS[role]
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)]
}
