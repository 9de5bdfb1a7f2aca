import { describe } from 'vitest'
import { hostClientBackend } from './backend.js'
import { partsConform } from './everything.js'

const OPTIONS = { stringNumbers: true, enableAutoPipelining: true, db: 5 } as const

// What one of them changes the others do not hide: a short run has all of them on one client.
if (process.env['KERP_TEST_FULL'] === '1') {
  for (const [name, value] of Object.entries(OPTIONS)) {
    describe(`a client of the host with ${name}`, () => partsConform(hostClientBackend({ [name]: value })))
  }
} else {
  describe(`a client of the host with ${Object.keys(OPTIONS).join(', ')}`, () => {
    partsConform(hostClientBackend(OPTIONS))
  })
}
