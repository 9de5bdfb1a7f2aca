/**
 * Runs scripts for the mock, with Redis's rules for replies: each is compiled once, to a function if that can be done, else in
 * one Lua state.
 *
 * The Lua of that is fengari's, the one that ioredis-mock brings along. It is Lua 5.3, so this state is trimmed to what
 * Redis's Lua 5.1 has, counts in doubles, and refuses globals as Redis does.
 */

import { RedisMissingError } from './errors.js'
import { type CompiledLua, compileLua } from './lua-compiler.js'
import { LuaError, type LuaAny, LuaTable, first } from './lua-values.js'

/** A value on its way between a command and a script. */
export type LuaValue = string | number | boolean | null | undefined | Buffer | readonly LuaValue[]

/** Runs one command for a script and answers at once. */
export type LuaCall = (command: string, args: readonly (string | Buffer)[]) => LuaValue

/** An opaque state of the virtual machine. */
type LuaState = object

/** The part of fengari that is used here. */
interface Fengari {
  readonly lua: {
    readonly LUA_REGISTRYINDEX: number
    readonly LUA_TNIL: number
    readonly LUA_TBOOLEAN: number
    readonly LUA_TNUMBER: number
    readonly LUA_TSTRING: number
    readonly LUA_TTABLE: number
    lua_type(L: LuaState, index: number): number
    lua_gettop(L: LuaState): number
    lua_settop(L: LuaState, index: number): void
    lua_toboolean(L: LuaState, index: number): boolean
    lua_tonumber(L: LuaState, index: number): number
    lua_tolstring(L: LuaState, index: number): Uint8Array
    lua_pushnil(L: LuaState): void
    lua_pushboolean(L: LuaState, value: boolean): void
    lua_pushnumber(L: LuaState, value: number): void
    lua_pushinteger(L: LuaState, value: number): void
    lua_pushlstring(L: LuaState, bytes: Uint8Array, length: number): void
    lua_pushjsfunction(L: LuaState, fn: (L: LuaState) => number): void
    lua_createtable(L: LuaState, list: number, hash: number): void
    lua_rawgeti(L: LuaState, index: number, key: number): void
    lua_rawseti(L: LuaState, index: number, key: number): void
    lua_getfield(L: LuaState, index: number, key: Uint8Array): void
    lua_setfield(L: LuaState, index: number, key: Uint8Array): void
    lua_setglobal(L: LuaState, name: Uint8Array): void
    lua_getglobal(L: LuaState, name: Uint8Array): void
    lua_setupvalue(L: LuaState, func: number, upvalue: number): void
    lua_pcall(L: LuaState, args: number, results: number, handler: number): number
    lua_error(L: LuaState): number
  }
  readonly lauxlib: {
    luaL_newstate(): LuaState
    luaL_loadbuffer(L: LuaState, source: Uint8Array, length: number, name: Uint8Array): number
    luaL_ref(L: LuaState, table: number): number
    luaL_unref(L: LuaState, table: number, ref: number): void
  }
  readonly lualib: { luaL_openlibs(L: LuaState): void }
}

/** Compiled scripts that are kept; the oldest goes when one more comes. */
const SCRIPTS_MAX = 500

/** What makes this Lua look like the one inside Redis. `tonumber` is wrapped because fengari's integers have 32 bits. */
const SANDBOX = `
  unpack = table.unpack
  table.unpack, table.pack, table.move = nil, nil, nil
  string.pack, string.unpack, string.packsize = nil, nil, nil
  math.type, math.tointeger, math.ult = nil, nil, nil
  os, io, debug, coroutine, package, require, dofile, loadfile, print, utf8, js = nil
  if tostring(5.0) == '5' then
    local read = tonumber
    tonumber = function(...)
      local number = read(...)
      return number and number + 0.0
    end
  end
  KEYS, ARGV = {}, {}
  redis = {
    call = command_call,
    pcall = command_pcall,
    error_reply = function(text) return { err = text } end,
    status_reply = function(text) return { ok = text } end,
  }
  command_call, command_pcall = nil, nil
  local globals = _G
  _G = setmetatable({}, {
    __index = globals,
    __newindex = function() error('Attempt to modify a readonly table', 2) end,
  })
  setmetatable(globals, {
    __index = function(_, name)
      error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end,
  })
`

/** Commands whose reply is a status, which a script sees as \`{ok = 'OK'}`. */
const STATUS_COMMANDS = new Set([
  'set',
  'setex',
  'psetex',
  'mset',
  'hmset',
  'rename',
  'lset',
  'ltrim',
  'flushall',
])

/** One Lua state for all scripts of a process; scripts run one after the other, to their end. */
export class LuaRunner {
  readonly #fengari: Fengari
  readonly #state: LuaState
  /** Scripts by their text: a function, or a reference to what the Lua state compiled. */
  readonly #compiled = new Map<string, CompiledLua | number>()
  #call: LuaCall = () => null

  constructor(fengari: Fengari) {
    this.#fengari = fengari
    this.#state = fengari.lauxlib.luaL_newstate()
    fengari.lualib.luaL_openlibs(this.#state)
    this.#defineCommand('command_call', true)
    this.#defineCommand('command_pcall', false)
    this.#check(this.#load(SANDBOX) || fengari.lua.lua_pcall(this.#state, 0, 0, 0))
  }

  /** Runs a script and converts its reply as Redis and ioredis do. Throws an error reply as an `Error`. */
  run(source: string, keys: readonly string[], args: readonly string[], call: LuaCall): unknown {
    const compiled = this.#compiled.get(source) ?? this.#compile(source)
    if (typeof compiled === 'function') return runCompiled(compiled, keys, args, call)
    return this.#interpret(compiled, keys, args, call)
  }

  #interpret(compiled: number, keys: readonly string[], args: readonly string[], call: LuaCall): unknown {
    const { lua } = this.#fengari
    const top = lua.lua_gettop(this.#state)
    try {
      this.#call = call
      this.#setList('KEYS', keys)
      this.#setList('ARGV', args)
      lua.lua_rawgeti(this.#state, lua.LUA_REGISTRYINDEX, compiled)
      this.#check(lua.lua_pcall(this.#state, 0, 1, 0))
      return this.#reply(-1)
    } finally {
      lua.lua_settop(this.#state, top)
    }
  }

  #compile(source: string): CompiledLua | number {
    const compiled = compileLua(source) ?? this.#reference(source)
    const [oldest] = this.#compiled.size >= SCRIPTS_MAX ? this.#compiled : []
    if (oldest !== undefined) {
      const [text, of] = oldest
      const { lua, lauxlib } = this.#fengari
      if (typeof of === 'number') lauxlib.luaL_unref(this.#state, lua.LUA_REGISTRYINDEX, of)
      this.#compiled.delete(text)
    }
    this.#compiled.set(source, compiled)
    return compiled
  }

  #reference(source: string): number {
    const { lua, lauxlib } = this.#fengari
    this.#check(this.#load(source))
    // What a script knows as its globals is a view that it cannot write, so that no script changes the next.
    lua.lua_getglobal(this.#state, bytesOf('_G'))
    lua.lua_setupvalue(this.#state, -2, 1)
    return lauxlib.luaL_ref(this.#state, lua.LUA_REGISTRYINDEX)
  }

  #load(source: string): number {
    const bytes = bytesOf(source)
    return this.#fengari.lauxlib.luaL_loadbuffer(this.#state, bytes, bytes.length, bytesOf('@user_script'))
  }

  /** Throws what a failed load or call left on the stack. */
  #check(status: number): void {
    if (status === 0) return
    const { lua } = this.#fengari
    if (lua.lua_type(this.#state, -1) === lua.LUA_TSTRING) {
      throw new MockReplyError(`ERR ${this.#text(-1)}`)
    }
    throw new MockReplyError(this.#field(-1, 'err') ?? 'ERR the script failed')
  }

  #defineCommand(name: string, raises: boolean): void {
    const { lua } = this.#fengari
    lua.lua_pushjsfunction(this.#state, (L) => {
      const failure = this.#runCommand()
      if (failure === undefined) return 1
      lua.lua_settop(L, 0)
      lua.lua_createtable(L, 0, 1)
      this.#push(failure)
      lua.lua_setfield(L, -2, bytesOf('err'))
      return raises ? lua.lua_error(L) : 1
    })
    lua.lua_setglobal(this.#state, bytesOf(name))
  }

  /** Runs the command on the stack and pushes its reply, or returns the text of its error. */
  #runCommand(): string | undefined {
    const { lua } = this.#fengari
    const args: (string | Buffer)[] = []
    for (let index = 1; index <= lua.lua_gettop(this.#state); index += 1) {
      const arg = this.#argument(index)
      if (arg === undefined) return 'ERR Lua redis lib command arguments must be strings or integers'
      args.push(arg)
    }
    const [name = '', ...rest] = args
    const command = name.toString().toLowerCase()
    try {
      const reply = this.#call(command, rest)
      if (reply === 'OK' && STATUS_COMMANDS.has(command)) this.#pushStatus(reply)
      else this.#push(reply)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : 'ERR the command failed'
    }
  }

  #argument(index: number): string | Buffer | undefined {
    const { lua } = this.#fengari
    const type = lua.lua_type(this.#state, index)
    if (type === lua.LUA_TSTRING) return textOrBytes(lua.lua_tolstring(this.#state, index))
    if (type !== lua.LUA_TNUMBER) return undefined
    return textOfArgument(lua.lua_tonumber(this.#state, index))
  }

  #push(value: LuaValue): void {
    const { lua } = this.#fengari
    if (value === null || value === undefined) lua.lua_pushboolean(this.#state, false)
    else if (typeof value === 'boolean') lua.lua_pushinteger(this.#state, value ? 1 : 0)
    else if (typeof value === 'number') this.#pushNumber(value)
    else if (typeof value === 'string') this.#pushBytes(bytesOf(value))
    else if (Buffer.isBuffer(value)) this.#pushBytes(value)
    else this.#pushList(value)
  }

  #pushNumber(value: number): void {
    const { lua } = this.#fengari
    if ((value | 0) === value) lua.lua_pushinteger(this.#state, value)
    else lua.lua_pushnumber(this.#state, value)
  }

  #pushBytes(bytes: Uint8Array): void {
    this.#fengari.lua.lua_pushlstring(this.#state, bytes, bytes.length)
  }

  #pushList(values: readonly LuaValue[]): void {
    const { lua } = this.#fengari
    lua.lua_createtable(this.#state, values.length, 0)
    values.forEach((value, index) => {
      this.#push(value)
      lua.lua_rawseti(this.#state, -2, index + 1)
    })
  }

  #pushStatus(status: string): void {
    this.#fengari.lua.lua_createtable(this.#state, 0, 1)
    this.#push(status)
    this.#fengari.lua.lua_setfield(this.#state, -2, bytesOf('ok'))
  }

  #setList(name: string, values: readonly string[]): void {
    this.#pushList(values)
    this.#fengari.lua.lua_setglobal(this.#state, bytesOf(name))
  }

  /** The value at a negative index by Redis's conversion: false and nil are null, true is 1, fractions are cut, a list ends at its first nil. */
  #reply(index: number): unknown {
    const { lua } = this.#fengari
    const type = lua.lua_type(this.#state, index)
    if (type === lua.LUA_TSTRING) return this.#text(index)
    if (type === lua.LUA_TNUMBER) return Math.trunc(lua.lua_tonumber(this.#state, index))
    if (type === lua.LUA_TBOOLEAN) return lua.lua_toboolean(this.#state, index) ? 1 : null
    return type === lua.LUA_TTABLE ? this.#replyTable(index) : null
  }

  #replyTable(index: number): unknown {
    const { lua } = this.#fengari
    const at = lua.lua_gettop(this.#state) + 1 + index
    const error = this.#field(at, 'err')
    if (error !== undefined) throw new MockReplyError(error)
    const status = this.#field(at, 'ok')
    if (status !== undefined) return status
    const list: unknown[] = []
    for (let position = 1; ; position += 1) {
      lua.lua_rawgeti(this.#state, at, position)
      const ended = lua.lua_type(this.#state, -1) === lua.LUA_TNIL
      if (!ended) list.push(this.#reply(-1))
      lua.lua_settop(this.#state, -2)
      if (ended) return list
    }
  }

  #field(index: number, name: string): string | undefined {
    const { lua } = this.#fengari
    if (lua.lua_type(this.#state, index) !== lua.LUA_TTABLE) return undefined
    lua.lua_getfield(this.#state, index, bytesOf(name))
    const value = lua.lua_type(this.#state, -1) === lua.LUA_TSTRING ? this.#text(-1) : undefined
    lua.lua_settop(this.#state, -2)
    return value
  }

  #text(index: number): string {
    return Buffer.from(this.#fengari.lua.lua_tolstring(this.#state, index)).toString('utf8')
  }
}

/** Runs a compiled script and converts its reply likewise. */
function runCompiled(
  compiled: CompiledLua,
  keys: readonly string[],
  args: readonly string[],
  call: LuaCall,
): unknown {
  const run = (words: readonly LuaAny[]): LuaAny => {
    const [name = '', ...rest] = words.map(argumentOf)
    const command = name.toString().toLowerCase()
    const reply = call(command, rest)
    if (reply === 'OK' && STATUS_COMMANDS.has(command)) return tableWith('ok', reply)
    return valueOf(reply)
  }
  try {
    const reply = compiled(
      new LuaTable(keys.map(bytesIn)),
      new LuaTable(args.map(bytesIn)),
      (...words) => {
        const reply = settled(run, words)
        if (reply instanceof LuaTable && reply.get('err') !== undefined) throw new LuaError(reply)
        return reply
      },
      (...words) => settled(run, words),
    )
    return replyOf(first(reply))
  } catch (error) {
    if (!(error instanceof LuaError)) throw error
    const { value } = error
    if (typeof value === 'string') throw new MockReplyError(`ERR ${textOf(value)}`)
    const said = value instanceof LuaTable ? value.get('err') : undefined
    throw new MockReplyError(typeof said === 'string' ? textOf(said) : 'ERR the script failed')
  }
}

/** What `redis.pcall` answers: an error as a table. */
function settled(run: (words: readonly LuaAny[]) => LuaAny, words: readonly LuaAny[]): LuaAny {
  try {
    return run(words)
  } catch (error) {
    return tableWith('err', error instanceof Error ? error.message : 'ERR the command failed')
  }
}

function tableWith(key: string, text: string): LuaTable {
  const made = new LuaTable()
  made.set(key, bytesIn(text))
  return made
}

function argumentOf(value: LuaAny): string | Buffer {
  if (typeof value === 'string') return isPlain(value) ? value : textOrBytes(Buffer.from(value, 'latin1'))
  if (typeof value === 'number') return textOfArgument(value)
  throw new MockReplyError('ERR Lua redis lib command arguments must be strings or integers')
}

/** A number as an argument of a command. */
function textOfArgument(number: number): string {
  return Number.isInteger(number) ? number.toFixed(0) : String(number)
}

function valueOf(reply: LuaValue): LuaAny {
  if (typeof reply === 'string') return bytesIn(reply)
  if (typeof reply === 'number') return reply
  if (reply === null || reply === undefined) return false
  if (typeof reply === 'boolean') return reply ? 1 : 0
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : new LuaTable(reply.map(valueOf))
}

/** By Redis's conversion: false and nil are null, true is 1, fractions are cut, a list ends at its first nil. */
function replyOf(value: LuaAny): unknown {
  if (typeof value === 'string') return textOf(value)
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'boolean') return value ? 1 : null
  if (!(value instanceof LuaTable)) return null
  const [said, status] = [value.get('err'), value.get('ok')]
  if (typeof said === 'string') throw new MockReplyError(textOf(said))
  if (typeof status === 'string') return textOf(status)
  const end = value.list.indexOf(undefined)
  return (end < 0 ? value.list : value.list.slice(0, end)).map(replyOf)
}

/** A text whose characters are its bytes. */
function bytesIn(text: string): string {
  return isPlain(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

function textOf(bytes: string): string {
  return isPlain(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

function isPlain(text: string): boolean {
  return !BEYOND_ASCII.test(text)
}

const BEYOND_ASCII = /[^\x00-\x7f]/

/**
 * Loads the Lua that belongs to ioredis-mock, through a `require` that starts where ioredis-mock lies: a strict
 * package manager shows it to nobody else.
 */
export function loadLua(requireFromMock: (name: string) => unknown): LuaRunner {
  // Read once while fengari loads: whole numbers print as in Lua 5.1, `5` and not `5.0`.
  const before = process.env['FENGARICONF']
  process.env['FENGARICONF'] = '{"LUA_COMPAT_FLOATSTRING":true}'
  try {
    const fengari = requireFromMock('fengari')
    if (!isFengari(fengari)) throw new RedisMissingError('mockRedis() does not know this version of fengari.')
    return new LuaRunner(fengari)
  } finally {
    if (before === undefined) delete process.env['FENGARICONF']
    else process.env['FENGARICONF'] = before
  }
}

function isFengari(value: unknown): value is Fengari {
  return typeof value === 'object' && value !== null && 'lua' in value && 'lauxlib' in value
}

function bytesOf(text: string): Uint8Array {
  // fengari tells its own strings by their exact class, and a Buffer is a subclass.
  return encoder.encode(text)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOrBytes(bytes: Uint8Array): string | Buffer {
  try {
    return decoder.decode(bytes)
  } catch {
    return Buffer.from(bytes)
  }
}

/** An error reply, told apart by its name as ioredis's own are. */
export class MockReplyError extends Error {
  override readonly name = 'ReplyError'
}
