/** The Nest module: every part under its own class, started and closed with the application. */

import { BalanceCache } from '@kerp/balance-cache'
import { Locks, Stock } from '@kerp/inventory-lock'
import { Ledger } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { OutboxRelay, Registers } from '@kerp/registers'
import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common'
import { markedProbes, type ProbeDecorator, ProbesController } from './probes-controller.js'

/** What both ways of making the module take. */
export interface KerpModuleOptions {
  /** Whether the module answers `/healthz`, `/readyz` and `/metrics`. @defaultValue true */
  readonly probes?: boolean | undefined
  /**
   * Marks of the probes for guards of the host's own, such as `[Public()]` or `[SkipThrottle()]`: whoever asks them has no
   * token. @defaultValue none
   */
  readonly probeDecorators?: readonly ProbeDecorator[] | undefined
  /** Whether every other module may inject the parts without importing this one. @defaultValue true */
  readonly global?: boolean | undefined
}

/** A `Realtime` that is made of other providers, such as a configuration, a pool or a Redis client. */
export interface KerpAsyncOptions extends KerpModuleOptions, Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'] | undefined
  readonly useFactory: FactoryProvider<Realtime>['useFactory']
}

/** The parts, each injected by its class. */
const PARTS: readonly Provider[] = [
  part(BalanceCache, ({ balances }) => balances),
  part(Ledger, ({ ledger }) => ledger),
  part(Locks, ({ locks }) => locks),
  part(OutboxRelay, ({ relay }) => relay),
  part(Registers, ({ registers }) => registers),
  part(Stock, ({ stock }) => stock),
]

/** Holds the parts. Apart from `KerpModule`, because Nest closes a global module after those that it was made of. */
@Module({})
class KerpParts {}

/**
 * Provides `Realtime`, `Ledger`, `BalanceCache`, `Stock`, `Locks`, `Registers` and `OutboxRelay` under these classes.
 *
 * It starts when the application has started, and closes after the HTTP server has and before the modules that it was
 * made of; on signals too where `app.enableShutdownHooks()` was called. The pool and the Redis clients stay the
 * host's: close them in `onApplicationShutdown` of a module that is among `imports`, or global.
 *
 * @example
 * const kerp = KerpModule.forRoot(new Realtime({ redis, pool }))
 */
@Module({})
export class KerpModule implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #realtime: Realtime

  constructor(@Inject(Realtime) realtime: Realtime) {
    this.#realtime = realtime
  }

  /** Of a `Realtime` that exists. */
  static forRoot(realtime: Realtime, options: KerpModuleOptions = {}): DynamicModule {
    return moduleOf({ provide: Realtime, useValue: realtime }, options)
  }

  /** Of a `Realtime` that a factory makes of other providers. */
  static forRootAsync({ imports, inject = [], useFactory, ...options }: KerpAsyncOptions): DynamicModule {
    return moduleOf({ provide: Realtime, inject, useFactory }, options, imports)
  }

  onApplicationBootstrap(): void {
    this.#realtime.start()
  }

  onApplicationShutdown(): Promise<void> {
    return this.#realtime.close()
  }
}

function moduleOf(
  realtime: Provider,
  { probes = true, probeDecorators = [], global = true }: KerpModuleOptions,
  imports: KerpAsyncOptions['imports'] = [],
): DynamicModule {
  const providers = [realtime, ...PARTS]
  return {
    module: KerpModule,
    imports: [{ module: KerpParts, global, imports, providers, exports: providers }],
    exports: [KerpParts],
    controllers: probes
      ? [probeDecorators.length === 0 ? ProbesController : markedProbes(probeDecorators)]
      : [],
  }
}

function part<T>(provide: abstract new (...args: never[]) => T, of: (realtime: Realtime) => T): Provider {
  return { provide, inject: [Realtime], useFactory: of }
}
