/** The live page: a few static files, read once, and a policy that lets it load nothing from elsewhere. */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { type FaultRoutesOptions, faultRoutes } from './fault-routes.js'
import type { HttpServer } from './http/server.js'
import type { RedisPart } from './parts.js'

/** What the page's buttons reach. */
export interface PageRoutesOptions extends Pick<FaultRoutesOptions, 'balances' | 'relay' | 'sessions'> {
  readonly redis: RedisPart
}

const PAGE = new URL('../page/', import.meta.url)

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

const HEADERS = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
}

/** Files of the page by the path they are served at. */
const OWN_FILES: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/page/page.css': 'page.css',
  '/page/page.mjs': 'page.mjs',
  '/page/words.mjs': 'words.mjs',
  '/page/tables.mjs': 'tables.mjs',
  '/page/charts.mjs': 'charts.mjs',
  '/page/icon.svg': 'icon.svg',
}

/** Registers the routes, that of its buttons included. */
export function pageRoutes(server: HttpServer, { redis, ...options }: PageRoutesOptions): void {
  faultRoutes(server, { server: redis.server, redis: redis.client, ...options })
  for (const [path, file] of Object.entries(OWN_FILES)) {
    serve(server, path, file, () => readFile(new URL(file, PAGE), 'utf8'))
  }
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'))
  serve(server, '/page/uplot.mjs', 'uplot.mjs', () => readFile(join(uplot, 'dist/uPlot.esm.js'), 'utf8'))
  serve(server, '/page/uplot.css', 'uplot.css', () => readFile(join(uplot, 'dist/uPlot.min.css'), 'utf8'))
  serve(server, '/page/live.mjs', 'live.mjs', liveClient)
}

function serve(server: HttpServer, path: string, file: string, read: () => Promise<string>): void {
  const type = TYPES[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
  let text: Promise<string> | undefined
  server.get(path, async (_request, reply) => {
    text ??= read()
    reply.headers({ ...HEADERS, 'content-type': type })
    return text
  })
}

/** The browser's side of the hub, as it was built, or from its source: then only the types are taken out. */
async function liveClient(): Promise<string> {
  const path = fileURLToPath(import.meta.resolve('@kerp/live/browser'))
  const text = await readFile(path, 'utf8')
  if (!path.endsWith('.ts')) return text
  return (await transform(text, { loader: 'ts', format: 'esm', target: 'es2022' })).code
}
