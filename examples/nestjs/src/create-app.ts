/** Makes the service, for `main.ts` and for tests. */

import 'reflect-metadata'
import type { INestApplication } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.module.js'

/** The service; closing it closes its servers as well. */
export function createApp(): Promise<INestApplication> {
  return NestFactory.create(AppModule)
}
