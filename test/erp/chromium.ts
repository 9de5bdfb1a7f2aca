/** The system's Chromium, driven by playwright-core. */

import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Opens it without a window; says which package to install when there is none. */
export async function openChromium(): Promise<Browser> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  for (const path of NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (isThere) return chromium.launch({ executablePath: path, args: ['--no-sandbox'], timeout: 60_000 })
  }
  throw new Error('No Chromium is on PATH: install it (Debian and Ubuntu: `apt-get install chromium`).')
}
