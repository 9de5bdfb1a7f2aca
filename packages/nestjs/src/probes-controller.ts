/** The probes as a controller of Nest, on whatever HTTP platform it runs. */

import { Readable } from 'node:stream'
import { type ProbePath, Realtime } from '@kerp/realtime'
import { Controller, Get, HttpException, Inject, StreamableFile } from '@nestjs/common'

/** `/healthz`, `/readyz` and `/metrics`. */
@Controller()
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
