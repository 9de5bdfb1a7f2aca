/**
 * A host that uses Prisma with the driver adapter for `pg`.
 *
 * The client is made the way that a generated one makes itself, from a schema without models: same runtime, same
 * compiler, same adapter. `prisma generate` is left out because its package is 200 MB and asks for an engine that it
 * does not use.
 */

import { viaPrisma } from '@kerp/postgres'
import { PrismaPg } from '@prisma/adapter-pg'
import { type GetPrismaClientConfig, getPrismaClient } from '@prisma/client/runtime/client'
import { at, type HostDriver } from './host-driver.js'

// Node has it; the types that this project compiles with do not.
declare const WebAssembly: { readonly Module: new (bytes: Buffer) => unknown }

const COMPILER = '@prisma/client/runtime/query_compiler_small_bg.postgresql'

const CONFIG: GetPrismaClientConfig = {
  previewFeatures: [],
  clientVersion: '7.10.0',
  engineVersion: '0edf323efd1d98336f3f0a68684b56f689b900d3',
  activeProvider: 'postgresql',
  inlineSchema: 'datasource db {\n  provider = "postgresql"\n}\n',
  runtimeDataModel: { models: {}, enums: {}, types: {} },
  parameterizationSchema: { strings: [], graph: 'AAAA' },
  compilerWasm: {
    getRuntime: () => import(`${COMPILER}.mjs`) as never,
    getQueryCompilerWasmModule: async () => {
      const { wasm } = (await import(`${COMPILER}.wasm-base64.mjs`)) as { wasm: string }
      return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_small_bg.js',
  },
}

export function onPrisma(url: string): HostDriver {
  const PrismaClient = getPrismaClient(CONFIG)
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 8 }) })
  return {
    name: 'Prisma',
    transaction: (work) =>
      prisma.$transaction((tx: Parameters<typeof viaPrisma>[0]) => work(viaPrisma(tx)), {
        maxWait: 20_000,
        timeout: 60_000,
      }),
    sqlStateOf: (error) => at(error, 'meta', 'driverAdapterError', 'cause', 'originalCode'),
    close: () => prisma.$disconnect(),
  }
}
