import { defineScript, RedisUnknownError } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { InvalidInputError, InvalidOptionError } from '@kerp/core'
import { describe, expect, it } from 'vitest'

const identity = (reply: unknown): unknown => reply

describe('defineScript', () => {
  it('names keys and arguments at the top of the script, in the order in which they are sent', () => {
    const script = defineScript({
      name: 'move-stock',
      keys: ['from', 'to'],
      args: ['quantity'],
      lua: 'return 1',
      parse: identity,
    })
    expect(script.lua.split('\n')).toStrictEqual([
      '-- move-stock',
      'local from = KEYS[1]',
      'local to = KEYS[2]',
      'local quantity = ARGV[1]',
      'local firstKey = 3',
      'local firstArg = 2',
      'return 1',
    ])
    expect(script.sha1).toMatch(/^[0-9a-f]{40}$/)
  })

  it.each([
    ['end', 'value'],
    ['two words', 'value'],
    ['Upper', 'value'],
    ['redis', 'value'],
    ['firstKey', 'value'],
    ['value', 'value'],
    ['', 'value'],
  ])('refuses the key name %j beside the argument %j', (key, arg) => {
    const define = (): unknown =>
      defineScript({ name: 'bad', keys: [key], args: [arg], lua: '', parse: identity })
    expect(define).toThrow(InvalidOptionError)
  })

  it.each(['', 'Upper', 'with space', 'a'.repeat(49), '-- x'])('refuses the script name %j', (name) => {
    expect(() => defineScript({ name, keys: [], args: [], lua: '', parse: identity })).toThrow(
      InvalidOptionError,
    )
  })

  it('tells a receiver once how a call ended: the answer, what the parser threw, or what is wrong with the call', async () => {
    const script = defineScript({
      name: 'count-up',
      keys: ['counter'],
      args: [],
      lua: `return redis.call('INCR', counter)`,
      parse: (reply) => {
        if (reply === 2) throw new RangeError('two')
        return Number(reply)
      },
    })
    const redis = mockRedis()
    const heard: unknown[] = []
    const hear = (what: unknown): void => void heard.push(what)
    const tell = (counter: string): Promise<void> =>
      new Promise<unknown>((end) => {
        script.tell(redis, { counter }, {}, {}, { answered: end, failed: end })
      }).then(hear)
    await tell('told-counter')
    await tell('told-counter')
    script.tell(redis, { counter: 'k' }, {}, { deadlineMs: 0 }, { answered: hear, failed: hear })
    expect(heard).toEqual([1, new RangeError('two'), expect.any(InvalidInputError)])
  })

  it('refuses a key or argument that is no string, by its name and without its value', async () => {
    const script = defineScript({
      name: 'take',
      keys: ['slot'],
      args: ['value'],
      lua: 'return 1',
      parse: identity,
    })
    const values: Record<string, string> = {}
    const call = script.run(
      mockRedis(),
      { slot: 'k' },
      { value: values['missing'] ?? (9 as unknown as string) },
    )
    await expect(call).rejects.toThrow(InvalidInputError)
    await expect(call).rejects.toThrow('`value` must be a string, got "(a number, not shown)" (string).')
  })

  it('hands the reply to parse, whose own error reaches the caller', async () => {
    const script = defineScript({
      name: 'picky',
      keys: [],
      args: [],
      lua: 'return 7',
      parse: (reply) => {
        if (reply !== 8)
          throw new RedisUnknownError({ operation: 'picky', reason: 'the reply has another shape' })
        return reply
      },
    })
    await expect(script.run(mockRedis(), {}, {})).rejects.toThrow('another shape')
  })
})
