/** A NestJS service that posts sales and answers balances. */

import { KerpModule } from '@kerp/nestjs'
import { anyAccount } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { Module } from '@nestjs/common'
import { Registry } from 'prom-client'
import { SalesController } from './sales.controller.js'
import { Servers, ServersModule } from './servers.module.js'

/** The service. */
@Module({
  imports: [
    KerpModule.forRootAsync({
      imports: [ServersModule],
      inject: [Servers],
      useFactory: ({ redis, pool }: Servers) =>
        new Realtime({ redis, pool, accounts: anyAccount, registry: new Registry() }),
    }),
  ],
  controllers: [SalesController],
})
export class AppModule {}
