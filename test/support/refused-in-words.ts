import { KerpError } from '@kerp/core'
import { expect, it } from 'vitest'

/** What is called, with what in the place of what it wants, and the name that the message must show. */
export type WrongCall = readonly [
  title: string,
  call: (wrong: never) => unknown,
  wrong: unknown,
  field: string,
]

/** Each call must end with an error of ours that names what is wrong, and shows no password. */
export function refusedInWords(calls: readonly WrongCall[]): void {
  it.each(calls)('%s is refused in words that name what is wrong', async (_title, call, wrong, field) => {
    const failure: unknown = await new Promise((resolve) => resolve(call(wrong as never))).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(KerpError)
    expect((failure as KerpError).retryable).toBe(false)
    expect((failure as KerpError).message).toContain(`\`${field}\``)
    expect((failure as KerpError).message).not.toContain('secret')
  })
}
