/** The one error of the key builder. */

import { InvalidInputError } from '@kerp/core'

/** A part, a parameter or a whole key was refused; no key was made. Code `INVALID_KEY`, not retryable. */
export class InvalidKeyError extends InvalidInputError {
  static override readonly errorName = 'InvalidKeyError'

  constructor(field: string, expected: string, got: unknown) {
    super(field, expected, got, 'INVALID_KEY')
  }
}
