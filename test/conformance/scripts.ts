/** What every script of the library relies on, asserted on the double and on a real server alike. */

import { defineScript, RedisRefusedError, redisCommand, whenReady } from '@kerp/redis'
import { recordingObserver } from '@kerp/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

const identity = (reply: unknown): unknown => reply

/** Integers around the limits of doubles and of 64 bits, as text. */
const BIG = ['9007199254740991', '9007199254740993', '9223372036854775807', `9${'0'.repeat(37)}`]

const exchange = defineScript({
  name: 'exchange-value',
  keys: ['slot'],
  args: ['value'],
  lua: `
    local before = redis.call('GET', slot)
    redis.call('SET', slot, value)
    return {before, redis.call('GET', slot)}`,
  parse: identity,
})

const echo = defineScript({
  name: 'echo-slots',
  keys: ['left', 'right'],
  args: ['first'],
  lua: `
    local keys, args = {}, {}
    for index = firstKey, #KEYS do keys[#keys + 1] = KEYS[index] end
    for index = firstArg, #ARGV do args[#args + 1] = ARGV[index] end
    return {left, right, first, keys, args, firstKey, firstArg}`,
  parse: identity,
})

const inline = (name: string, lua: string) =>
  defineScript({ name, keys: ['slot'], args: ['text'], lua, parse: identity })

/** Runs the whole suite on one backend. */
export function scriptsConform(backend: Backend): void {
  describe(`scripts on ${backend.name}`, () => {
    const run = (script: ReturnType<typeof inline>, text = '', company = freshCompany()): Promise<unknown> =>
      script.run(backend.client(), { slot: `slot:{${company}}` }, { text })

    it('keep amounts beyond 2^53 digit by digit', async () => {
      const slot = `slot:{${freshCompany()}}`
      let before: string | null = null
      for (const value of BIG) {
        const reply = await exchange.run(backend.client(), { slot }, { value })
        expect(reply).toStrictEqual([before, value])
        expect(await redisCommand(backend.client(), 'mget', [slot, `${slot}x`])).toStrictEqual([value, null])
        before = value
      }
    })

    it('take any text as key and as value: spaces, line ends, NUL, braces, Hangul, emoji', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: 'grapheme' }),
          fc.string({ unit: 'grapheme' }),
          async (key, value) => {
            const slot = `{${freshCompany()}}\r\n\0 *한글😀${key}`
            expect(await exchange.run(backend.client(), { slot }, { value })).toStrictEqual([null, value])
            expect(await redisCommand(backend.client(), 'get', [slot])).toBe(value)
          },
        ),
        { numRuns: 100 },
      )
    })

    it('see named keys and arguments in order, and the further ones after them', async () => {
      const tag = `{${freshCompany()}}`
      const reply = await echo.run(
        backend.client(),
        { right: `${tag}r`, left: `${tag}l` },
        { first: '1' },
        { moreKeys: [`${tag}a`, `${tag}b`], moreArgs: ['x', '', 'z'] },
      )
      expect(reply).toStrictEqual([`${tag}l`, `${tag}r`, '1', [`${tag}a`, `${tag}b`], ['x', '', 'z'], 3, 2])
    })

    it('take a thousand further keys in one call', async () => {
      const tag = `{${freshCompany()}}`
      const count = inline('count-keys', 'return {#KEYS, KEYS[#KEYS]}')
      const moreKeys = Array.from({ length: 1_000 }, (_, index) => `${tag}${index}`)
      const reply = await count.run(backend.client(), { slot: tag }, { text: '' }, { moreKeys })
      expect(reply).toStrictEqual([1_001, `${tag}999`])
    })

    it('find a missing value false, and an empty one present', async () => {
      const look = inline(
        'look-up',
        `
        local missing = redis.call('GET', slot)
        redis.call('SET', slot, '')
        local empty = redis.call('GET', slot)
        local many = redis.call('MGET', slot, slot .. 'x')
        return {missing and 1 or 0, not empty and 1 or 0, #empty, not many[2] and 1 or 0}`,
      )
      expect(await run(look)).toStrictEqual([0, 0, 0, 1])
    })

    it('answer with null for false and nil, 1 for true, whole numbers, and lists up to their first nil', async () => {
      const reply = await run(
        inline('answer', `return {false, true, 3.9, -7, '', {1, {2}}, {}, {5, nil, 6}}`),
      )
      expect(reply).toStrictEqual([null, 1, 3, -7, '', [1, [2]], [], [5]])
      expect(await run(inline('answer-nothing', 'return nil'))).toBeNull()
      expect(await run(inline('answer-status', `return redis.call('SET', slot, text)`), 'x')).toBe('OK')
      expect(await run(inline('read-status', `return redis.call('SET', slot, text)['ok']`), 'x')).toBe('OK')
    })

    it('compare padded numbers as text, and print whole numbers without a point', async () => {
      const padded = inline(
        'compare-text',
        `
        local n = tonumber(text)
        return {('0000000000000009' < '0000000000000010') and 1 or 0, n .. '', tostring(n * 2), #text,
          string.sub(text, 1, 1), string.format('%.0f', n * 1000000), (string.find('a|b', '|', 1, true))}`,
      )
      expect(await run(padded, '1767225600')).toStrictEqual([
        1,
        '1767225600',
        '3534451200',
        10,
        '1',
        '1767225600000000',
        2,
      ])
    })

    it('read the server time as seconds and microseconds that never go back', async () => {
      const time = inline(
        'server-time',
        `
        local function now()
          local time = redis.call('TIME')
          return tonumber(time[1]) * 1000000 + tonumber(time[2])
        end
        local first, second = now(), now()
        return {second >= first and 1 or 0, string.format('%.0f', first)}`,
      )
      const reply = await run(time)
      expect(reply).toStrictEqual([1, expect.stringMatching(/^1\d{15}$/)])
    })

    it('set with a time to live, and only when the key is absent', async () => {
      const lease = inline(
        'place-lease',
        `
        local first = redis.call('SET', slot, 'a', 'PX', 50000, 'NX')
        local second = redis.call('SET', slot, 'b', 'PX', 50000, 'NX')
        local ttl = redis.call('PTTL', slot)
        return {first and 1 or 0, second and 1 or 0, redis.call('GET', slot),
          (ttl > 40000 and ttl <= 50000) and 1 or 0, redis.call('DEL', slot), redis.call('PTTL', slot)}`,
      )
      expect(await run(lease)).toStrictEqual([1, 0, 'a', 1, 1, -2])
    })

    it('publish to those who listen, from inside', async () => {
      const channel = `channel:{${freshCompany()}}`
      const listener = backend.client().duplicate()
      const heard = new Promise((resolve) => listener.on('message', (...message) => resolve(message)))
      await whenReady(listener)
      await listener.subscribe(channel)
      const publish = defineScript({
        name: 'publish-text',
        keys: [],
        args: ['channel', 'text'],
        lua: `redis.call('PUBLISH', channel, text) return 1`,
        parse: identity,
      })
      await publish.run(backend.client(), {}, { channel, text: '9007199254740993' })
      expect(await heard).toStrictEqual([channel, '9007199254740993'])
      listener.disconnect()
    })

    it('share no variable between two calls: globals are refused', async () => {
      for (const lua of ['leak = 1', 'return leak', `redis = nil`]) {
        await expect(run(inline('leak-global', lua))).rejects.toThrow(RedisRefusedError)
      }
    })

    it('are refused when they fail, with the line and without their text', async () => {
      const fail = inline('fail-loudly', `\n\nerror('secret ' .. text)`)
      await expect(run(fail, 'canary')).rejects.toThrow(
        'Redis call `fail-loudly` was refused (ERR): the server found an error in the call, at line 8 of the script.',
      )
    })

    it('go on after a command that failed, when they ask for its error', async () => {
      const caught = inline(
        'catch-error',
        `
        local reply = redis.pcall('NO-SUCH-COMMAND', slot)
        return {type(reply), reply['err'] and 1 or 0}`,
      )
      expect(await run(caught)).toStrictEqual(['table', 1])
    })

    it('are sent whole once to a server that does not hold them, and by their digest after that', async () => {
      const observer = recordingObserver()
      const unique = inline(`count-${freshCompany()}`, `return redis.call('INCR', slot)`)
      const slot = `slot:{${freshCompany()}}`
      for (let call = 1; call <= 3; call += 1) {
        expect(await unique.run(backend.client(), { slot }, { text: '' }, { observer })).toBe(call)
      }
      expect(observer.of('scriptFallback')).toStrictEqual([{ script: unique.name }])
      expect(observer.of('redisOperation').map(({ operation, status }) => [operation, status])).toStrictEqual(
        Array.from({ length: 3 }, () => [unique.name, 'ok']),
      )
    })
  })
}
