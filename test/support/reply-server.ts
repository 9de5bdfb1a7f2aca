/** A server that speaks just enough of Redis's protocol to answer every command as a test wants. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a command is answered with: bytes of the protocol, nothing at all, or the end of the connection. */
export type ReplyServerAnswer = { readonly bytes: string } | 'silence' | 'close'

/** A running server of this kind. */
export interface ReplyServer extends AsyncDisposable {
  readonly socketPath: string
  /** The commands that came, without those of ioredis's own handshake. */
  readonly commands: readonly (readonly string[])[]
  /** How the next commands are answered. */
  answer: (command: readonly string[]) => ReplyServerAnswer
}

const HANDSHAKE = new Set(['client', 'select'])
const INFO = 'redis_version:7.0.15\r\nloading:0\r\nrole:master\r\n'

/** Starts one. It answers `+OK` until told otherwise. */
export async function openReplyServer(): Promise<ReplyServer> {
  const directory = await mkdtemp(join(tmpdir(), 'kerp-reply-'))
  const socketPath = join(directory, 'reply.sock')
  const commands: (readonly string[])[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    let rest = ''
    socket.on('data', (bytes) => {
      rest += bytes.toString('latin1')
      for (let next = takeCommand(rest); next !== undefined; next = takeCommand(rest)) {
        rest = next.rest
        reply(socket, next.command)
      }
    })
  })

  function reply(socket: Socket, command: readonly string[]): void {
    const name = command[0]?.toLowerCase() ?? ''
    if (HANDSHAKE.has(name)) return void socket.write('+OK\r\n')
    // Newer clients ask for the newer protocol and take no for an answer.
    if (name === 'hello') return void socket.write("-ERR unknown command 'hello'\r\n")
    if (name === 'info') return void socket.write(`$${INFO.length}\r\n${INFO}\r\n`)
    commands.push(command)
    const answer = self.answer(command)
    if (answer === 'close') socket.destroy()
    else if (answer !== 'silence') socket.write(answer.bytes)
  }

  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const self: ReplyServer = {
    socketPath,
    commands,
    answer: () => ({ bytes: '+OK\r\n' }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(directory, { recursive: true, force: true })
    },
  }
  return self
}

/** Reads one `*2 $3 GET $1 k` from the front. Latin-1 keeps lengths in bytes. */
function takeCommand(
  text: string,
): { readonly command: readonly string[]; readonly rest: string } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (head === null) return undefined
  let at = head[0].length
  const command: string[] = []
  for (let index = 0; index < Number(head[1]); index += 1) {
    const length = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20))
    if (length === null) return undefined
    const begin = at + length[0].length
    at = begin + Number(length[1]) + 2
    if (at > text.length) return undefined
    command.push(Buffer.from(text.slice(begin, at - 2), 'latin1').toString())
  }
  return { command, rest: text.slice(at) }
}
