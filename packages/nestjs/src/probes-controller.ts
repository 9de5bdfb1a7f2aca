/** The probes as a controller of Nest, on whatever HTTP platform it runs. */

import { Readable } from 'node:stream'
import { type ProbePath, Realtime } from '@kerp/realtime'
import { Controller, Get, HttpException, Inject, StreamableFile, VERSION_NEUTRAL } from '@nestjs/common'

/** The routes, for `app.setGlobalPrefix('api', { exclude: [...PROBE_ROUTES] })`: machines that ask know no prefix. */
export const PROBE_ROUTES: readonly string[] = ['healthz', 'readyz', 'metrics']

/** `/healthz`, `/readyz` and `/metrics`, whatever versions the application's other routes have. */
@Controller({ version: VERSION_NEUTRAL })
export class ProbesController {
  readonly #realtime: Realtime

  constructor(@Inject(Realtime) realtime: Realtime) {
    this.#realtime = realtime
  }

  /** Is the process alive? */
  @Get('healthz')
  healthz(): Promise<StreamableFile> {
    return this.#answer('/healthz')
  }

  /** Should it get requests? Otherwise 503. */
  @Get('readyz')
  readyz(): Promise<StreamableFile> {
    return this.#answer('/readyz')
  }

  /** What it has counted. */
  @Get('metrics')
  metrics(): Promise<StreamableFile> {
    return this.#answer('/metrics')
  }

  async #answer(path: ProbePath): Promise<StreamableFile> {
    const { status, contentType, body } = await this.#realtime.probe(path)
    const file = Readable.from(body)
    if (status === 200) return new StreamableFile(file, { type: contentType })
    const text = (await file.toArray()).join('')
    throw new HttpException(JSON.parse(text) as Record<string, unknown>, status)
  }
}

/** Marks a class or a method, as `SetMetadata` and `SkipThrottle()` do. */
export type ProbeDecorator = ClassDecorator & MethodDecorator

/** The probes with marks that the host's guards look for, on the controller and on each route. */
export function markedProbes(decorators: readonly ProbeDecorator[]): typeof ProbesController {
  // Of its own, as marks on the shared one would hold for every application of the process.
  @Controller({ version: VERSION_NEUTRAL })
  class MarkedProbes extends ProbesController {
    @Get('healthz')
    override healthz(): Promise<StreamableFile> {
      return super.healthz()
    }

    @Get('readyz')
    override readyz(): Promise<StreamableFile> {
      return super.readyz()
    }

    @Get('metrics')
    override metrics(): Promise<StreamableFile> {
      return super.metrics()
    }
  }
  for (const decorate of decorators) {
    decorate(MarkedProbes)
    for (const route of PROBE_ROUTES) {
      const descriptor = Object.getOwnPropertyDescriptor(MarkedProbes.prototype, route)
      if (descriptor !== undefined) decorate(MarkedProbes.prototype, route, descriptor)
    }
  }
  return MarkedProbes
}
