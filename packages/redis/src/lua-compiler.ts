/**
 * Compiles scripts of Redis to functions, for the double: what an interpreter takes most of its time for. What is not
 * compiled is interpreted, and does the same.
 */

import { compileFunction } from 'node:vm'
import { ARGUMENTS_MAX, formatter, LIBRARY, LIBRARY_OF_MANY, matcher, MISSING, raise } from './lua-library.js'
import {
  type LuaBlock,
  type LuaExpression,
  LuaNotCompiled,
  type LuaStatement,
  parseLua,
} from './lua-parser.js'
import * as values from './lua-values.js'
import { type LuaAny, type LuaFunction, type LuaTable } from './lua-values.js'

/** A script that runs with its keys and arguments, and with the two ways to call a command. */
export type CompiledLua = (keys: LuaTable, args: LuaTable, call: LuaFunction, pcall: LuaFunction) => LuaAny

/** Undefined for a script that must be interpreted. */
export function compileLua(source: string): CompiledLua | undefined {
  try {
    const compiler = new Compiler()
    const code = compiler.script(parseLua(source))
    const made: unknown = compileFunction(code, ['L', 'made', 'KEYS', 'ARGV', 'call', 'pcall'])
    if (typeof made !== 'function') return undefined
    const runtime = { ...values, raise, library: LIBRARY, libraryOfMany: LIBRARY_OF_MANY }
    return (...args) => Reflect.apply(made, undefined, [runtime, compiler.made, ...args]) as LuaAny
  } catch (error) {
    if (error instanceof LuaNotCompiled) return undefined
    throw error
  }
}

/** Names of the outermost scope that scripts may use as they are. */
const GIVEN: Readonly<Record<string, string>> = { KEYS: 'KEYS', ARGV: 'ARGV' }

const OPERATORS: Readonly<Record<string, string>> = {
  '+': 'add',
  '-': 'subtract',
  '%': 'modulo',
  '..': 'concat',
  '<': 'isLess',
  '<=': 'isAtMost',
  '>': 'isMore',
  '>=': 'isAtLeast',
}

/** Deeper than any script nests; what is deeper is interpreted. */
const NAMES_MAX = 200

class Compiler {
  /** Functions that are made of texts of the script: formats and patterns. */
  readonly made: LuaFunction[] = []
  readonly #scopes: Map<string, string>[] = [new Map<string, string>()]
  /** Variables for values that are looked at twice, of the function that is being written. */
  #spare: string[] = []
  #names = 0

  script(block: LuaBlock): string {
    return `'use strict'\n${this.#functionBody(block)}`
  }

  #functionBody(block: LuaBlock): string {
    const outer = this.#spare
    this.#spare = []
    const body = this.#block(block)
    const spare = this.#spare.length > 0 ? `let ${this.#spare.join(', ')}\n` : ''
    this.#spare = outer
    return spare + body
  }

  #block(block: LuaBlock): string {
    this.#scopes.push(new Map())
    const body = block.map((statement) => this.#statement(statement)).join('\n')
    this.#scopes.pop()
    return body
  }

  // ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────

  #unique(hint: string): string {
    this.#names += 1
    return `${hint}$${this.#names}`
  }

  #declare(name: string): string {
    const made = this.#unique(name)
    const scope = this.#scopes.at(-1)
    if (scope === undefined || scope.size >= NAMES_MAX) throw new LuaNotCompiled('too many names')
    scope.set(name, made)
    return made
  }

  #local(name: string): string | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name)
  }

  #spareName(): string {
    const name = this.#unique('spare')
    this.#spare.push(name)
    return name
  }

  // ── Statements ─────────────────────────────────────────────────────────────────────────────────────────────

  #statement(statement: LuaStatement): string {
    switch (statement.is) {
      case 'local':
        return this.#localStatement(statement.names, statement.values)
      case 'assign':
        return this.#assignment(statement.targets, statement.values)
      case 'localFunction': {
        const name = this.#declare(statement.name)
        return `let ${name}; ${name} = ${this.#value(statement.made)}`
      }
      case 'call':
        return `;${this.#value(statement.call, 'many')}`
      case 'if':
        return this.#if(statement)
      case 'while':
        return `while (${this.#condition(statement.test)}) {\n${this.#block(statement.body)}\n}`
      case 'repeat':
        return this.#repeat(statement.body, statement.test)
      case 'count':
        return this.#count(statement)
      case 'each':
        return this.#each(statement)
      case 'do':
        return `{\n${this.#block(statement.body)}\n}`
      case 'break':
        return 'break'
      case 'return':
        return this.#return(statement.values)
    }
  }

  #localStatement(names: readonly string[], given: readonly LuaExpression[]): string {
    // Values are read before their names are known: `local a = a`.
    const read = this.#list(given, names.length)
    if (read.length > 0 && names.length > given.length) {
      const all = this.#unique('all')
      const made = names.map((name, at) => `${this.#declare(name)} = ${all}[${at}]`)
      return `const ${all} = ${this.#array(given, read)}; let ${made.join(', ')}`
    }
    const made = names.map((name, at) => {
      const value = read[at]
      return value === undefined ? this.#declare(name) : `${this.#declare(name)} = ${value}`
    })
    return `let ${made.join(', ')}`
  }

  #assignment(targets: readonly LuaExpression[], given: readonly LuaExpression[]): string {
    const [target] = targets
    const [value] = given
    if (target !== undefined && value !== undefined && targets.length === 1 && given.length === 1) {
      return this.#assign(target, this.#value(value))
    }
    // Its table and key would have to be read before any target is written.
    if (targets.some(({ is }) => is === 'index')) throw new LuaNotCompiled('fields assigned together')
    const all = this.#unique('all')
    const array = this.#array(given, this.#list(given, targets.length))
    return `const ${all} = ${array}; ${targets.map((each, at) => this.#assign(each, `${all}[${at}]`)).join('; ')}`
  }

  #assign(target: LuaExpression, value: string): string {
    if (target.is === 'index') {
      return `L.setIndex(${this.#value(target.of)}, ${this.#value(target.key)}, ${value}, ${target.line})`
    }
    const name = target.is === 'name' ? this.#local(target.name) : undefined
    // Globals are refused by the interpreter, in its words.
    if (name === undefined) throw new LuaNotCompiled('a global is assigned')
    return `${name} = ${value}`
  }

  #if({ arms, otherwise }: Extract<LuaStatement, { is: 'if' }>): string {
    const written = arms.map(({ test, body }) => `if (${this.#condition(test)}) {\n${this.#block(body)}\n}`)
    const last = otherwise.length > 0 ? ` else {\n${this.#block(otherwise)}\n}` : ''
    return written.join(' else ') + last
  }

  /** The condition sees the names of the body. */
  #repeat(body: LuaBlock, test: LuaExpression): string {
    this.#scopes.push(new Map())
    const inner = body.map((statement) => this.#statement(statement)).join('\n')
    const end = `if (${this.#condition(test)}) break`
    this.#scopes.pop()
    return `while (true) {\n${inner}\n${end}\n}`
  }

  #count({ name, bounds, body, line }: Extract<LuaStatement, { is: 'count' }>): string {
    const [from, to, by] = bounds.map((bound) => `L.numberIn(${this.#value(bound)}, ${line})`)
    if (from === undefined || to === undefined) throw new LuaNotCompiled('a loop without bounds')
    const [at, end, step] = [this.#unique('at'), this.#unique('end'), this.#unique('step')]
    this.#scopes.push(new Map())
    const variable = this.#declare(name)
    const inner = this.#block(body)
    this.#scopes.pop()
    const test = by === undefined ? `${at} <= ${end}` : `${step} > 0 ? ${at} <= ${end} : ${at} >= ${end}`
    const head = `let ${at} = ${from}, ${end} = ${to}, ${step} = ${by ?? '1'}; ${test}; ${at} += ${step}`
    return `for (${head}) {\nlet ${variable} = ${at}\n${inner}\n}`
  }

  #each({ names, over, table, body, line }: Extract<LuaStatement, { is: 'each' }>): string {
    const [key = '', value = ''] = names
    if (names.length > 2) throw new LuaNotCompiled('a loop over three names')
    const from = `L.tableOf(${this.#value(table)}, ${line})`
    const [each, at, item] = [this.#unique('each'), this.#unique('at'), this.#unique('item')]
    this.#scopes.push(new Map())
    const keyName = this.#declare(key)
    const valueName = value === '' ? this.#unique('value') : this.#declare(value)
    const inner = this.#block(body)
    this.#scopes.pop()
    if (over === 'pairs') {
      const head = `const [${at}, ${item}] of ${from}.entries()`
      return `for (${head}) {\nlet ${keyName} = ${at}, ${valueName} = ${item}\n${inner}\n}`
    }
    const head = `let ${each} = ${from}, ${at} = 1, ${item}; (${item} = ${each}.get(${at})) !== undefined; ${at} += 1`
    return `for (${head}) {\nlet ${keyName} = ${at}, ${valueName} = ${item}\n${inner}\n}`
  }

  #return(given: readonly LuaExpression[]): string {
    const [only] = given
    if (only === undefined) return 'return'
    if (given.length === 1) return `return ${this.#value(only, 'many')}`
    return `return new L.LuaMany(${this.#array(given, this.#list(given))})`
  }

  // ── Expressions ────────────────────────────────────────────────────────────────────────────────────────────

  /** Each expression; the last as all its values, unless there are more than `wanted`. */
  #list(given: readonly LuaExpression[], wanted = Number.POSITIVE_INFINITY): readonly string[] {
    return given.map((each, at) => {
      const isOpen = at === given.length - 1 && given.length < wanted
      return this.#value(each, isOpen ? 'many' : 'one')
    })
  }

  #array(given: readonly LuaExpression[], read: readonly string[]): string {
    const last = given.at(-1)
    const isOpen = last !== undefined && this.#mayBeMany(last)
    const written = read.map((each, at) => (isOpen && at === read.length - 1 ? `...L.all(${each})` : each))
    return `[${written.join(', ')}]`
  }

  #mayBeMany(expression: LuaExpression): boolean {
    if (expression.is !== 'call') return false
    const known = this.#libraryName(expression.callee)
    return known === undefined || known === 'string.match' || Object.hasOwn(LIBRARY_OF_MANY, known)
  }

  #value(expression: LuaExpression, count: 'one' | 'many' = 'one'): string {
    switch (expression.is) {
      case 'constant':
        return constant(expression.value)
      case 'name':
        return this.#name(expression.name)
      case 'index':
        return this.#index(expression)
      case 'call': {
        const call = this.#call(expression)
        return count === 'one' && this.#mayBeMany(expression) ? `L.first(${call})` : call
      }
      case 'function':
        return this.#function(expression.params, expression.body)
      case 'unary':
        return this.#unary(expression)
      case 'binary':
        return this.#binary(expression)
      case 'table':
        return this.#table(expression)
    }
  }

  #name(name: string): string {
    const known = this.#local(name) ?? GIVEN[name]
    if (known !== undefined) return known
    if (Object.hasOwn(LIBRARY, name)) return `L.library.${name}`
    if (Object.hasOwn(LIBRARY_OF_MANY, name)) return `L.libraryOfMany.${name}`
    throw new LuaNotCompiled(`the global ${name}`)
  }

  /** `string.sub`, or undefined for anything that is not of the library. */
  #libraryName(expression: LuaExpression): string | undefined {
    if (expression.is === 'name')
      return this.#local(expression.name) === undefined ? expression.name : undefined
    if (expression.is !== 'index' || expression.of.is !== 'name' || expression.key.is !== 'constant')
      return undefined
    const { name } = expression.of
    if (this.#local(name) !== undefined || Object.hasOwn(GIVEN, name)) return undefined
    return `${name}.${String(expression.key.value)}`
  }

  #index(expression: Extract<LuaExpression, { is: 'index' }>): string {
    const known = this.#libraryName(expression)
    if (known === undefined) {
      return `L.index(${this.#value(expression.of)}, ${this.#value(expression.key)}, ${expression.line})`
    }
    if (MISSING.has(known)) return 'undefined'
    if (known === 'redis.call') return 'call'
    if (known === 'redis.pcall') return 'pcall'
    if (Object.hasOwn(LIBRARY, known)) return `L.library[${JSON.stringify(known)}]`
    throw new LuaNotCompiled(known)
  }

  #call({ callee, args, line }: Extract<LuaExpression, { is: 'call' }>): string {
    const known = this.#libraryName(callee)
    const array = this.#array(args, this.#list(args))
    const inside = array.slice(1, -1)
    if (known === 'error') return `L.raise(${this.#values(args, 1)}, ${line})`
    if (known === 'string.format' || known === 'string.match') return this.#callMade(known, args)
    if (known !== undefined && args.length > (ARGUMENTS_MAX[known] ?? args.length))
      throw new LuaNotCompiled(known)
    if (known !== undefined) return `${this.#value(callee)}(${inside})`
    return `L.callable(${this.#value(callee)}, ${line})(${inside})`
  }

  #values(args: readonly LuaExpression[], max: number): string {
    if (args.length !== max) throw new LuaNotCompiled('more arguments than are known')
    return args.map((arg) => this.#value(arg)).join(', ')
  }

  /** A call whose format or pattern is known now. */
  #callMade(name: 'string.format' | 'string.match', args: readonly LuaExpression[]): string {
    const isFormat = name === 'string.format'
    const pattern = args[isFormat ? 0 : 1]
    if (pattern?.is !== 'constant' || typeof pattern.value !== 'string') throw new LuaNotCompiled(name)
    const at = this.made.push(isFormat ? formatter(pattern.value) : matcher(pattern.value)) - 1
    const given = args.filter((arg) => arg !== pattern)
    if (given.some((arg) => this.#mayBeMany(arg))) throw new LuaNotCompiled(name)
    return `made[${at}](${given.map((arg) => this.#value(arg)).join(', ')})`
  }

  #function(params: readonly string[], body: LuaBlock): string {
    this.#scopes.push(new Map())
    const names = params.map((param) => this.#declare(param))
    const inner = this.#functionBody(body)
    this.#scopes.pop()
    return `(${names.join(', ')}) => {\n${inner}\n}`
  }

  #unary(expression: Extract<LuaExpression, { is: 'unary' }>): string {
    const { operator, operand, line } = expression
    if (operator === 'not') return `!${this.#condition(operand)}`
    const value = this.#value(operand)
    return operator === '#' ? `L.length(${value}, ${line})` : `-L.numberIn(${value}, ${line})`
  }

  #binary(expression: Extract<LuaExpression, { is: 'binary' }>): string {
    const { operator, left, right, line } = expression
    if (operator === 'and' || operator === 'or') {
      const spare = this.#spareName()
      const test = `((${spare} = ${this.#value(left)}) !== undefined && ${spare} !== false)`
      const [held, lacking] = operator === 'and' ? [this.#value(right), spare] : [spare, this.#value(right)]
      return `(${test} ? ${held} : ${lacking})`
    }
    const [one, other] = [this.#value(left), this.#value(right)]
    if (operator === '==') return `(${one} === ${other})`
    if (operator === '~=') return `(${one} !== ${other})`
    const named = OPERATORS[operator]
    if (named !== undefined) return `L.${named}(${one}, ${other}, ${line})`
    const sign = operator === '^' ? '**' : operator
    return `(L.numberIn(${one}, ${line}) ${sign} L.numberIn(${other}, ${line}))`
  }

  /** A JavaScript condition, which nil and false fail. */
  #condition(expression: LuaExpression): string {
    if (expression.is === 'unary' && expression.operator === 'not')
      return `(!${this.#condition(expression.operand)})`
    if (expression.is === 'binary') {
      const { operator, left, right } = expression
      if (operator === 'and') return `(${this.#condition(left)} && ${this.#condition(right)})`
      if (operator === 'or') return `(${this.#condition(left)} || ${this.#condition(right)})`
      if (['==', '~=', '<', '<=', '>', '>='].includes(operator)) return this.#value(expression)
    }
    return `L.holds(${this.#value(expression)})`
  }

  #table({ list, fields }: Extract<LuaExpression, { is: 'table' }>): string {
    const made = `new L.LuaTable(${this.#array(list, this.#list(list))})`
    if (fields.length === 0) return made
    const table = this.#spareName()
    const sets = fields.map(([key, value]) => `${table}.set(${this.#value(key)}, ${this.#value(value)})`)
    // A table inside of another has a variable of its own, and a function that is called meanwhile has its own, too.
    return `(${table} = ${made}, ${sets.join(', ')}, ${table})`
  }
}

function constant(value: string | number | boolean | undefined): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
