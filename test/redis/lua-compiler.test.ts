/** What the double compiles does the same as its interpreter: a script with a comment in long brackets is interpreted. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mockRedis } from '@kerp/redis/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileLua } from '../../packages/redis/src/lua-compiler.js'

const PACKAGES = join(import.meta.dirname, '..', '..', 'packages')
const redis = mockRedis()

/** The answer, or that there is none. */
async function answer(lua: string, args: readonly string[]): Promise<unknown> {
  try {
    return await redis.eval(lua, 0, ...args)
  } catch (error) {
    return error instanceof Error ? 'an error' : error
  }
}

async function expectSame(lua: string, args: readonly string[] = []): Promise<void> {
  expect(compileLua(lua), lua).toBeTypeOf('function')
  expect(await answer(lua, args), `${lua}\n${JSON.stringify(args)}`).toEqual(
    await answer(`--[[ ]] ${lua}`, args),
  )
}

/** The texts of all scripts of the packages. */
async function scriptsOfPackages(): Promise<readonly string[]> {
  const files = readdirSync(PACKAGES).flatMap((name) => {
    const folder = join(PACKAGES, name, 'src')
    return readdirSync(folder).flatMap((file) => (file.endsWith('.lua.ts') ? join(folder, file) : []))
  })
  const modules = await Promise.all(
    files.map((file) => import(pathToFileURL(file).href) as Promise<Readonly<Record<string, unknown>>>),
  )
  return modules.flatMap((module) =>
    Object.values(module).flatMap((value) => {
      const lua: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'lua') : undefined
      return typeof lua === 'string' ? lua : []
    }),
  )
}

test('every script of the packages is compiled', async () => {
  const scripts = await scriptsOfPackages()
  expect(scripts.length).toBeGreaterThan(30)
  expect(scripts.filter((lua) => compileLua(lua) === undefined)).toEqual([])
})

test.each([
  'local a, b = 1 return {a, b == nil, #ARGV}',
  'local a = 1 local function f() a = a + 1 return a, a * 2 end return {f(), f()}',
  'local function f(n) if n < 2 then return 1 end return n * f(n - 1) end return f(10)',
  'local t = {} for i = 10, 1, -3 do t[#t + 1] = i end return t',
  'local t = {} for i = 1, 3 do local j = i t[i] = function() return j end end return {t[1](), t[2](), t[3]()}',
  'local t = {5, 6, a = 7, [10] = 8} return {#t, t.a, t[10], t[11] == nil}',
  'local t = {1, 2, 3} t[#t] = nil return #t',
  'local t = {1, 2, 3, 4} t[2] = nil local n = 0 for _ in pairs(t) do n = n + 1 end return n',
  'local n = 0 repeat local m = n + 1 n = m until m >= 3 return n',
  'local n = 0 while true do n = n + 1 if n == 5 then break end end return n',
  'local a, b = 1, 2 a, b = b, a return {a, b}',
  'return {1 and 2, false or 3, nil and 1 or 4, not nil, not 0, 1 == 1.0, "1" == 1}',
  'return {"a" .. 1 .. 2.5, 10 .. "", 1e13 .. "", 2^40 .. "", -0.1 .. ""}',
  'return {7 % 3, -7 % 3, 7 % -3, 2^10, 7 / 2, -2^2, 1 - -1, "10" + 5, "0x10" * 1}',
  'return {#"한글", string.sub("한글", 1, 3), string.sub("abc", -2), string.sub("abc", 0, -2), string.sub("abc", 5)}',
  'return {tonumber("12") , tonumber(" 1e2 "), tonumber("x") == nil, tonumber("") == nil, tonumber("0x1F"), tonumber("-5")}',
  'return {type(nil), type(1), type("a"), type({}), type(type), type(true)}',
  'return {math.floor(-1.5), math.ceil(1.2), math.max(1, 5, 3), math.min(4, 2), math.abs(-3)}',
  'return table.concat({1, "b", 3}, "-") .. table.concat({})',
  'local spread = table.unpack or unpack return {spread({1, 2, 3})}',
  'local spread = unpack return {spread({1, 2, 3}, 2), 9, spread({1, 2, 3}, 2, 3)}',
  'return {string.match("k=v", "^(%w+)=(%w*)$")}',
  'return {string.match("abc", "b"), string.match("abc", "^b") == nil, string.match("a1b22", "%d+", 3)}',
  'local a, b, c = string.match("x|y", "^([^|]*)|(.-)$") return {a, b, c == nil}',
  'return {string.format("%s-%d-%06d-%.0f-%%", "a", 12, 34, 9007199254740991)}',
  'return {ok = "FINE"}',
  'return {err = "MINE went wrong"}',
  'return redis.error_reply("MINE went wrong")',
  'return redis.pcall("NONE").err ~= nil',
  'return redis.call("NONE")',
  'return redis.call("SET", "k", {})',
  'redis.call("SET", "k", 1.5) return {redis.call("GET", "k"), redis.call("SET", "k", 2).ok, redis.call("GET", "none")}',
  'redis.call("SET", "k", "\\255\\254") return redis.call("GET", "k")',
  'error("no")',
  'error({err = "MINE"})',
  'return {1, nil, 3}',
  'return {1.9, -1.9, true, false, 5}',
  'local function none() end return {none() == nil, 1}',
  'local t = {{1, {2, "x"}}, "y"} return t',
  'return nil + 1',
  'return {} .. "a"',
  'return #nil',
  'return 1 < "2"',
  'return {} < {}',
  'local t = nil return t.a',
  'local t = {} t[nil] = 1',
  'local f = 5 return f()',
  'for i = 1, "x" do end',
  'for _, v in ipairs(nil) do end',
  'return table.concat({{}})',
])('compiled and interpreted it is the same: %s', async (lua) => {
  await expectSame(lua, ['a', 'b'])
})

const pieces = fc.array(fc.constantFrom('a', 'b', '1', '22', '|', '-', ':', ' ', '.', '한', '+', '0', 'ff'), {
  maxLength: 8,
})
const subjects = pieces.map((parts) => parts.join(''))

test.each([
  ['^%d+|%-?%d+|%-?%d+$'],
  ['^([^|]*)|([^|]*)|'],
  ['^(.-)|'],
  ['^w1|(%x+)|([^|]+)'],
  ['(%a+)(%d*)'],
  ['[%w:]+'],
  ['[^%s|]+$'],
  ['a?b-1'],
  ['.-%.'],
  ['[a-b]+.'],
  ['^$'],
])('a pattern finds the same: %s', async (pattern) => {
  const lua = `local from = math.min(tonumber(ARGV[2]), #ARGV[1] + 1) return {string.match(ARGV[1], '${pattern}', from)}`
  await fc.assert(
    fc.asyncProperty(subjects, fc.integer({ min: -9, max: 9 }), async (subject, from) => {
      await expectSame(lua, [subject, String(from)])
    }),
    { numRuns: 100 },
  )
})

test('parts of texts, sums, comparisons and written numbers are the same', async () => {
  // Beyond these the interpreter's remainders are those of a later Lua.
  const whole = fc.integer({ min: -1e9, max: 1e9 })
  const numbers = fc.oneof(
    fc.integer({ min: -12, max: 12 }),
    whole,
    whole.map((number) => number / 8),
  )
  const lua = `local text, a, b = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
    local short = string.format('%.0f', math.floor(a) % 1000)
    return {string.sub(text, math.floor(a % 40) - 20, math.floor(b % 9)), #text, a < b and 1 or 2, a <= b and 1 or 2,
      a == b and 1 or 2, text < ARGV[4] and 1 or 2, text .. ARGV[4], short, string.format('%06d', math.floor(a % 1e6))}`
  await fc.assert(
    fc.asyncProperty(subjects, numbers, numbers, subjects, async (text, a, b, other) => {
      await expectSame(lua, [text, String(a), String(b), other])
    }),
    { numRuns: 300 },
  )
})

test('tables that grow, shrink and have holes are the same', async () => {
  const lua = `local t, seen = {}, {}
    for at = 1, #ARGV, 2 do
      local key = tonumber(ARGV[at]) or ARGV[at]
      if ARGV[at + 1] == '-' then t[key] = nil else t[key] = ARGV[at + 1] end
    end
    for key = 0, 9 do seen[#seen + 1] = t[key] or 'none' end
    for index, value in ipairs(t) do seen[#seen + 1] = index .. value end
    local count = 0
    for _ in pairs(t) do count = count + 1 end
    seen[#seen + 1] = count
    return seen`
  const keys = fc.constantFrom('0', '1', '2', '3', '4', '5', '6', 'x', 'y', '-1')
  const changes = fc.array(fc.tuple(keys, fc.constantFrom('v', 'w', '-')), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(changes, (steps) => expectSame(lua, steps.flat())),
    { numRuns: 200 },
  )
})
