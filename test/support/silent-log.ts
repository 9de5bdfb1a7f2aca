/** Failures that tests provoke are not printed; a test of the log sets its own. */

import { setDefaultLogger } from '@kerp/core'

setDefaultLogger(false)
