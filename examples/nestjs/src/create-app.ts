/** Makes the service, for `main.ts` and for tests. */

import 'reflect-metadata'
import { KerpExceptionFilter } from '@kerp/nestjs'
import type { INestApplication } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.module.js'

/** The service; closing it closes its servers as well. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule)
  return app.useGlobalFilters(new KerpExceptionFilter())
}
