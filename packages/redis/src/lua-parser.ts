/**
 * Reads the Lua that scripts of Redis are written in, as far as it is compiled here: no `goto`, no `...`, no `for` but
 * over numbers, `ipairs` and `pairs`. What else comes is `LuaNotCompiled`, and left to the interpreter.
 */

/** A script that is not compiled; it is interpreted instead. */
export class LuaNotCompiled extends Error {
  override readonly name = 'LuaNotCompiled'
}

/** An expression, with the line where an error of it is told. */
export type LuaExpression =
  | { readonly is: 'constant'; readonly value: string | number | boolean | undefined }
  | { readonly is: 'name'; readonly name: string }
  | { readonly is: 'index'; readonly of: LuaExpression; readonly key: LuaExpression; readonly line: number }
  | {
      readonly is: 'call'
      readonly callee: LuaExpression
      readonly args: readonly LuaExpression[]
      readonly line: number
    }
  | { readonly is: 'function'; readonly params: readonly string[]; readonly body: LuaBlock }
  | {
      readonly is: 'unary'
      readonly operator: string
      readonly operand: LuaExpression
      readonly line: number
    }
  | {
      readonly is: 'binary'
      readonly operator: string
      readonly left: LuaExpression
      readonly right: LuaExpression
      readonly line: number
    }
  | {
      readonly is: 'table'
      readonly list: readonly LuaExpression[]
      readonly fields: readonly (readonly [LuaExpression, LuaExpression])[]
    }

/** A statement. */
export type LuaStatement =
  | { readonly is: 'local'; readonly names: readonly string[]; readonly values: readonly LuaExpression[] }
  | {
      readonly is: 'assign'
      readonly targets: readonly LuaExpression[]
      readonly values: readonly LuaExpression[]
    }
  | { readonly is: 'localFunction'; readonly name: string; readonly made: LuaExpression }
  | { readonly is: 'call'; readonly call: LuaExpression }
  | {
      readonly is: 'if'
      readonly arms: readonly { readonly test: LuaExpression; readonly body: LuaBlock }[]
      readonly otherwise: LuaBlock
    }
  | { readonly is: 'while'; readonly test: LuaExpression; readonly body: LuaBlock }
  | { readonly is: 'repeat'; readonly body: LuaBlock; readonly test: LuaExpression }
  | {
      readonly is: 'count'
      readonly name: string
      readonly bounds: readonly LuaExpression[]
      readonly body: LuaBlock
      readonly line: number
    }
  | {
      readonly is: 'each'
      readonly names: readonly string[]
      readonly over: 'ipairs' | 'pairs'
      readonly table: LuaExpression
      readonly body: LuaBlock
      readonly line: number
    }
  | { readonly is: 'do'; readonly body: LuaBlock }
  | { readonly is: 'return'; readonly values: readonly LuaExpression[] }
  | { readonly is: 'break' }

/** Statements that are done one after the other. */
export type LuaBlock = readonly LuaStatement[]

interface Token {
  readonly kind: 'name' | 'word' | 'number' | 'string' | 'sign' | 'end'
  readonly text: string
  readonly line: number
}

const WORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

const SPACE = /\s+/y
const COMMENT = /--[^\n]*/y
const NAME = /[A-Za-z_]\w*/y
const HEX = /0[xX][\da-fA-F]+/y
const NUMBER = /\d+(?:\.\d*)?(?:[eE][-+]?\d+)?/y
const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y
const SIGN = /\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.]/y

const KINDS: readonly (readonly [RegExp, Token['kind'] | undefined])[] = [
  [SPACE, undefined],
  [COMMENT, undefined],
  [NAME, 'name'],
  [HEX, 'number'],
  [NUMBER, 'number'],
  [STRING, 'string'],
  [SIGN, 'sign'],
]

/** Strings and comments in long brackets, and those that reach over lines, are left to the interpreter. */
function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = []
  let [at, line] = [0, 1]
  while (at < source.length) {
    const [kind, text] = tokenAt(source, at)
    if (text === '' || /^(?:--)?\[[=[]/.test(text + (source[at + text.length] ?? ''))) {
      throw new LuaNotCompiled(`line ${line}`)
    }
    if (kind === 'string') tokens.push({ kind, text: unescaped(text), line })
    else if (kind !== undefined) tokens.push({ kind: WORDS.has(text) ? 'word' : kind, text, line })
    at += text.length
    line += text.split('\n').length - 1
  }
  return [...tokens, { kind: 'end', text: '', line }]
}

function tokenAt(source: string, at: number): readonly [Token['kind'] | undefined, string] {
  for (const [pattern, kind] of KINDS) {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0]
    if (text !== undefined) return [kind, text]
  }
  return [undefined, '']
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '"': '"',
  "'": "'",
}

/** Bytes, each as one character. */
function unescaped(quoted: string): string {
  const bytes = Buffer.from(quoted.slice(1, -1), 'utf8').toString('latin1')
  return bytes.replace(/\\(\d{1,3}|[^])/g, (_, escape: string) => {
    const known = ESCAPES[escape]
    if (known !== undefined) return known
    if (/^\d+$/.test(escape)) return String.fromCharCode(Number(escape))
    throw new LuaNotCompiled(`the escape \\${escape}`)
  })
}

/** How tightly an operator binds to its left and right. */
const BINDS: Readonly<Record<string, readonly [number, number]>> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9],
}
const UNARY_BINDS = 8

/** Reads a script. @throws {LuaNotCompiled} */
export function parseLua(source: string): LuaBlock {
  const parser = new Parser(tokensOf(source))
  return parser.script()
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  script(): LuaBlock {
    const body = this.#block()
    if (this.#next.kind !== 'end') this.#refuse()
    return body
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', line: 0 }
  }

  #refuse(): never {
    throw new LuaNotCompiled(`line ${this.#next.line}, “${this.#next.text}”`)
  }

  #is(text: string): boolean {
    const { kind, text: next } = this.#next
    return (kind === 'word' || kind === 'sign') && next === text
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at += 1
    return true
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#refuse()
  }

  #name(): string {
    const { kind, text } = this.#next
    if (kind !== 'name') this.#refuse()
    this.#at += 1
    return text
  }

  #names(): readonly string[] {
    const names = [this.#name()]
    while (this.#take(',')) names.push(this.#name())
    return names
  }

  #block(): LuaBlock {
    const statements: LuaStatement[] = []
    for (;;) {
      while (this.#take(';'));
      if (this.#next.kind === 'end' || ['end', 'else', 'elseif', 'until'].some((word) => this.#is(word))) {
        return statements
      }
      const statement = this.#statement()
      statements.push(statement)
      if (statement.is !== 'return' && statement.is !== 'break') continue
      while (this.#take(';'));
      return statements
    }
  }

  #body(): LuaBlock {
    const body = this.#block()
    this.#expect('end')
    return body
  }

  #statement(): LuaStatement {
    if (this.#take('local')) return this.#local()
    if (this.#take('if')) return this.#if()
    if (this.#take('for')) return this.#for()
    if (this.#take('while')) {
      const test = this.#expression()
      this.#expect('do')
      return { is: 'while', test, body: this.#body() }
    }
    if (this.#take('repeat')) {
      const body = this.#block()
      this.#expect('until')
      return { is: 'repeat', body, test: this.#expression() }
    }
    if (this.#take('do')) return { is: 'do', body: this.#body() }
    if (this.#take('break')) return { is: 'break' }
    if (this.#take('return')) return { is: 'return', values: this.#isAtEnd() ? [] : this.#expressions() }
    return this.#assignmentOrCall()
  }

  #isAtEnd(): boolean {
    return this.#next.kind === 'end' || ['end', 'else', 'elseif', 'until', ';'].some((word) => this.#is(word))
  }

  #local(): LuaStatement {
    if (this.#take('function')) return { is: 'localFunction', name: this.#name(), made: this.#function() }
    const names = this.#names()
    return { is: 'local', names, values: this.#take('=') ? this.#expressions() : [] }
  }

  #if(): LuaStatement {
    const arms: { test: LuaExpression; body: LuaBlock }[] = []
    do {
      const test = this.#expression()
      this.#expect('then')
      arms.push({ test, body: this.#block() })
    } while (this.#take('elseif'))
    const otherwise = this.#take('else') ? this.#block() : []
    this.#expect('end')
    return { is: 'if', arms, otherwise }
  }

  #for(): LuaStatement {
    const { line } = this.#next
    const names = this.#names()
    const [name = ''] = names
    if (names.length === 1 && this.#take('=')) {
      const bounds = this.#expressions()
      this.#expect('do')
      return { is: 'count', name, bounds, body: this.#body(), line }
    }
    this.#expect('in')
    const over = this.#name()
    if (over !== 'ipairs' && over !== 'pairs') this.#refuse()
    this.#expect('(')
    const table = this.#expression()
    this.#expect(')')
    this.#expect('do')
    return { is: 'each', names, over, table, body: this.#body(), line }
  }

  #assignmentOrCall(): LuaStatement {
    const first = this.#suffixed()
    if (first.is === 'call') return { is: 'call', call: first }
    const targets: LuaExpression[] = [first]
    while (this.#take(',')) targets.push(this.#suffixed())
    this.#expect('=')
    if (targets.some(({ is }) => is !== 'name' && is !== 'index')) this.#refuse()
    return { is: 'assign', targets, values: this.#expressions() }
  }

  #expressions(): readonly LuaExpression[] {
    const all = [this.#expression()]
    while (this.#take(',')) all.push(this.#expression())
    return all
  }

  #expression(least = 0): LuaExpression {
    let left = this.#operand()
    for (;;) {
      const { kind, text: operator, line } = this.#next
      const binds = kind === 'word' || kind === 'sign' ? BINDS[operator] : undefined
      if (binds === undefined || binds[0] <= least) return left
      this.#at += 1
      left = { is: 'binary', operator, left, right: this.#expression(binds[1]), line }
    }
  }

  #operand(): LuaExpression {
    const { line, text: operator } = this.#next
    if (this.#take('not') || this.#take('-') || this.#take('#')) {
      return { is: 'unary', operator, operand: this.#expression(UNARY_BINDS), line }
    }
    return this.#simple()
  }

  #simple(): LuaExpression {
    const { kind, text } = this.#next
    if (kind === 'number' || kind === 'string') {
      this.#at += 1
      return { is: 'constant', value: kind === 'number' ? Number(text) : text }
    }
    if (this.#take('nil')) return { is: 'constant', value: undefined }
    if (this.#take('true')) return { is: 'constant', value: true }
    if (this.#take('false')) return { is: 'constant', value: false }
    if (this.#take('function')) return this.#function()
    if (this.#is('{')) return this.#table()
    return this.#suffixed()
  }

  #suffixed(): LuaExpression {
    let value = this.#primary()
    for (;;) {
      const { line } = this.#next
      if (this.#take('.'))
        value = { is: 'index', of: value, key: { is: 'constant', value: this.#name() }, line }
      else if (this.#take('[')) {
        value = { is: 'index', of: value, key: this.#expression(), line }
        this.#expect(']')
      } else if (this.#take('(')) {
        const args = this.#is(')') ? [] : this.#expressions()
        this.#expect(')')
        value = { is: 'call', callee: value, args, line }
      } else if (this.#is('{') || this.#is(':') || this.#next.kind === 'string') this.#refuse()
      else return value
    }
  }

  #primary(): LuaExpression {
    if (!this.#take('(')) return { is: 'name', name: this.#name() }
    const inner = this.#expression()
    this.#expect(')')
    // Parentheses cut a call to one value, which this language of ours has no word for.
    if (inner.is === 'call') this.#refuse()
    return inner
  }

  #function(): LuaExpression {
    this.#expect('(')
    const params = this.#is(')') ? [] : this.#names()
    this.#expect(')')
    return { is: 'function', params, body: this.#body() }
  }

  #table(): LuaExpression {
    const list: LuaExpression[] = []
    const fields: (readonly [LuaExpression, LuaExpression])[] = []
    this.#expect('{')
    while (!this.#is('}')) {
      const named = this.#next.kind === 'name' && this.#tokens[this.#at + 1]?.text === '='
      if (named) {
        const key: LuaExpression = { is: 'constant', value: this.#name() }
        this.#expect('=')
        fields.push([key, this.#expression()])
      } else if (this.#take('[')) {
        const key = this.#expression()
        this.#expect(']')
        this.#expect('=')
        fields.push([key, this.#expression()])
      } else list.push(this.#expression())
      if (!this.#take(',') && !this.#take(';')) break
    }
    this.#expect('}')
    return { is: 'table', list, fields }
  }
}
