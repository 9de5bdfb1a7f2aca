/** Writes the dashboard anew from the catalogue of metrics: `npx tsx --conditions=@kerp/source ops/write-dashboard.ts`. */

import { writeFileSync } from 'node:fs'
import { grafanaDashboard } from '@kerp/metrics'

writeFileSync(
  new URL('grafana/kerp-dashboard.json', import.meta.url),
  `${JSON.stringify(grafanaDashboard(), null, 2)}\n`,
)
