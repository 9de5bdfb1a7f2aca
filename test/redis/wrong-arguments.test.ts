/** What is no option, script or client is refused in words, and no error of the language comes out. */

import { aclUser, createRedis, defineScript, whenReady } from '@kerp/redis'
import { refusedInWords } from '../support/refused-in-words.js'

refusedInWords([
  ['a client of null', (wrong) => createRedis(wrong, {}), null, 'options'],
  ['a client of an address', (wrong) => createRedis(wrong, {}), 'redis://u:secret@h', 'options'],
  ['a user without options', (wrong) => aclUser(wrong), undefined, 'options'],
  ['a script of nothing', (wrong) => defineScript(wrong), undefined, 'options'],
  ['a script without keys', (wrong) => defineScript(wrong), { name: 'n' }, 'keys'],
  ['waiting for no client', (wrong) => whenReady(wrong), undefined, 'redis'],
  ['waiting for an address', (wrong) => whenReady(wrong), 'redis://u:secret@h', 'redis'],
])
