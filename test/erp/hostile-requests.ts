/** More than five hundred requests that a hostile client sends: ids, fields, bodies, queries and headers. */

import { saleOf } from './vouchers.js'

/** One request below `/companies/c1`. None of them may change anything. */
export interface HostileRequest {
  readonly method: string
  readonly path: string
  /** A text goes as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const IDS: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'],
  ...[
    '..',
    '../../etc/passwd',
    '..%2f..',
    './',
    '//',
    '\\\\host\\share',
    'C:\\',
    '%00',
    '%',
    '%zz',
    '%25',
    '%2e%2e',
  ],
  ...[
    '*',
    '?',
    '[a-z]',
    '{c2}',
    '}{',
    '{}',
    ':',
    'a:b',
    'balance:{c2}:1101:2026',
    '}:{c2}',
    '\u0000',
    'a\u0000b',
  ],
  ...[
    "' OR '1'='1",
    "'; DROP TABLE kerp.voucher; --",
    '"',
    '$1',
    '\\',
    '\\x00',
    '${7*7}',
    '{{7*7}}',
    '`id`',
    '$(id)',
  ],
  ...[
    '\r\nSET x 1\r\n',
    '*1\r\n$8\r\nFLUSHALL\r\n',
    '\n',
    '\t',
    ' ',
    '  a',
    'a  ',
    '\u00a0',
    '\u2028',
    '\ufeff',
  ],
  ...[
    '<script>alert(1)</script>',
    '&lt;',
    'javascript:alert(1)',
    '\u202egnirts',
    '\u200b',
    '\u0301',
    'e\u0301',
  ],
  ...[
    '\ud83d\ude00',
    '\uffff',
    '\u{10ffff}',
    '계정'.normalize('NFD'),
    '-1',
    '0',
    '1e400',
    'NaN',
    'Infinity',
    'null',
  ],
  ...[
    'undefined',
    'true',
    '[]',
    '[object Object]',
    '9'.repeat(40),
    'a'.repeat(129),
    'a'.repeat(5_000),
    '가'.repeat(90),
  ],
]

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e300, '', ' ', '\u0000', [], [[]], [null], {}, { length: 1 }],
  ...[
    { toString: 'x' },
    { constructor: { prototype: { x: 1 } } },
    '1e3',
    '0x10',
    '1,000',
    '9'.repeat(60),
    '-5',
  ],
]

const voucher = saleOf('hostile', '1000')
const BODIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '/vouchers': { ...voucher },
  '/stock/adjust': { movementId: 'h', item: 'A', warehouse: 'W1', quantity: '1' },
  '/stock/transfer': { movementId: 'h', item: 'A', from: 'W1', to: 'W2', quantity: '1' },
  '/stock/reserve': {
    reservationId: 'h',
    lines: [{ item: 'A', warehouse: 'W1', quantity: '1' }],
    ttlSeconds: 60,
  },
  '/stock/confirm': { reservationId: 'h' },
  '/payroll': { month: '2026-06' },
  '/reports/financial': { from: '2026-01-01', to: '2026-03-31' },
}

const NAMES = ['id', 'movementId', 'reservationId', 'item']

/** Goods and documents may be called `1e3`, and stock may be taken. */
const isFine = (field: string, value: unknown): boolean =>
  typeof value === 'string' &&
  ((NAMES.includes(field) && /^[\w,-]+$/.test(value)) || (field === 'quantity' && value === '-5'))

function posted(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): HostileRequest {
  return { method: 'POST', path, body, headers }
}

function ids(): readonly HostileRequest[] {
  return IDS.flatMap((id) => {
    const part = encodeURIComponent(id)
    return [
      { method: 'GET', path: `/vouchers/${part}` },
      { method: 'GET', path: `/accounts/${part}/ledger?fiscalYear=2026` },
      posted(`/vouchers/${part}/approve`, {}),
      { method: 'GET', path: `/stock?item=${part}&warehouse=${part}` },
      posted('/stock/confirm', { reservationId: id }),
    ]
  })
}

function fields(): readonly HostileRequest[] {
  return Object.entries(BODIES).flatMap(([path, body]) =>
    Object.keys(body).flatMap((field) =>
      VALUES.filter((value) => !isFine(field, value)).map((value) =>
        posted(path, { ...body, [field]: value }),
      ),
    ),
  )
}

const deep = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth)
const poisoned = (key: string): string =>
  JSON.stringify(voucher).replace('{', `{"${key}":{"debit":"1","x":1},`)

function bodies(): readonly HostileRequest[] {
  const texts: readonly (string | Buffer)[] = [
    ...[
      '{',
      '}',
      '[',
      '"',
      '{"a":}',
      "{'a':1}",
      'undefined',
      'NaN',
      '\u0000',
      '{"a":1}{"b":2}',
      '[1,2',
      '\ufeff{}',
    ],
    ...['{"__proto__":{"x":1}}', poisoned('__proto__'), poisoned('\\u005f\\u005fproto\\u005f\\u005f')],
    ...['[{"__proto__":[]}]', '{"a":{"b":{"__proto__":null}}}', '{"constructor":{"prototype":{"x":1}}}'],
    ...[deep('[', ']', 10_000), deep('[', ']', 120_000), deep('{"a":', '1', 1), deep('{"a":', '}', 20_000)],
    `{"id":"h","lines":${deep('[', ']', 50_000)}}`,
    `{${Array.from({ length: 15_000 }, (_, n) => `"k${n}":1`).join()}}`,
    ...[
      '1'.repeat(200_000),
      `"${'a'.repeat(200_000)}"`,
      ' '.repeat(200_000),
      `{"id":"${'\\u0000'.repeat(30_000)}"}`,
    ],
    ...[
      'x'.repeat(262_145),
      'x'.repeat(1_000_000),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from([0xc3, 0x28]),
    ],
    ...[Buffer.from('{"id":"\xed\xa0\x80"}', 'latin1'), '{"id":"\\ud800","lines":[]}', '-', '1e999999', '0.'],
  ]
  return texts.flatMap((text) =>
    Object.keys(BODIES)
      .slice(0, 4)
      .map((path) => posted(path, text)),
  )
}

function queries(): readonly HostileRequest[] {
  const texts = [
    ...[
      'accounts=',
      'accounts=,',
      'accounts[]=1',
      'accounts[__proto__]=1',
      '__proto__[x]=1',
      'constructor.prototype.x=1',
    ],
    ...[
      'fiscalYear=',
      'fiscalYear=-1',
      'fiscalYear=1e3',
      'fiscalYear=99999',
      'fiscalYear=2026&fiscalYear=2027',
      '%',
      '%%%',
    ],
    ...[
      'fiscalYear=2026&accounts=' + 'A,'.repeat(5_000),
      'atLeast=A:-1',
      'atLeast=:',
      'limit=-1',
      'limit=1e9',
      '&'.repeat(3_000),
    ],
    ...["after='", 'after=-1', `after=${'9'.repeat(50)}`, 'from=2026-13-45', '\u00e9=1'.normalize('NFD')],
  ]
  const paths = ['/balances', '/trial-balance', '/stock', '/events', '/dashboard']
  return paths.flatMap((path) => texts.map((text) => ({ method: 'GET', path: `${path}?${encodeURI(text)}` })))
}

function others(): readonly HostileRequest[] {
  const post = posted('/vouchers', voucher)
  const types = [
    'text/plain',
    'application/xml',
    'multipart/form-data',
    'application/x-www-form-urlencoded',
    'a',
    '/;;=',
  ]
  const tokens = [
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    'Bearer a.b',
    'Bearer a.b.c',
    'Basic eDp5',
    `Bearer ${'a'.repeat(9_000)}`,
  ]
  return [
    ...types.map((type) => ({ ...post, headers: { 'content-type': type } })),
    ...tokens.map((authorization) => ({ ...post, headers: { authorization } })),
    ...['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) => ({ ...post, method })),
    { ...post, body: 'x'.repeat(600_000), headers: { 'transfer-encoding': 'chunked' } },
    { method: 'GET', path: `/${'a/'.repeat(2_000)}` },
    { method: 'GET', path: '/../c2/balances?accounts=11010&fiscalYear=2026' },
    { method: 'GET', path: '/%2e%2e/c2/stock?item=A' },
  ]
}

/** All of them. */
export function hostileRequests(): readonly HostileRequest[] {
  return [...ids(), ...fields(), ...bodies(), ...queries(), ...others()]
}
