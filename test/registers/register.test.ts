/** The texts that Redis keeps: written, read back, and refused when damaged. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  fieldsInBytes,
  formatWatermark,
  imageText,
  parseImageText,
  parseWatermark,
  registerPrefix,
  versionInBytes,
} from '../../packages/registers/src/register.js'
import { formatInside, parsePosition } from '../../packages/registers/src/position.js'

const ref = { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] } as const
const generation = '00c0ffee00c0ffee'
const field = fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }).map(String)
const version = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const bytesOf = (text: string) => Buffer.from(text)

describe('a register', () => {
  test('comes back as it was written, whatever its amounts and version', () => {
    fc.assert(
      fc.property(version, field, field, (number, first, second) => {
        const text = imageText({ ref, version: number, fields: [first, second] })
        const bytes = bytesOf(`r1|${generation}|${text}`)
        expect(versionInBytes(bytes, registerPrefix(generation))).toBe(number)
        expect(fieldsInBytes(bytes)).toEqual([first, second])
        expect(parseImageText(ref, text)).toEqual({ ref, version: number, fields: [first, second] })
      }),
    )
  })

  test('image texts of one row sort as their versions do', () => {
    fc.assert(
      fc.property(version, version, (left, right) => {
        const [a, b] = [left, right].map((number) => imageText({ ref, version: number, fields: ['0', '0'] }))
        expect(Math.sign(left - right)).toBe(a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1)
      }),
    )
  })

  test('with any one byte changed is another register or none, never an error', () => {
    const text = `r1|${generation}|${imageText({ ref, version: 42, fields: ['1000', '-7'] })}`
    const whole = /^r1\|00c0ffee00c0ffee\|\d{16}\|-?\d+\|-?\d+$/
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = bytesOf(text)
        bytes[at] = byte
        const valid = whole.test(bytes.toString('latin1'))
        expect(versionInBytes(bytes, registerPrefix(generation)) >= 0).toBe(valid)
      }),
      { numRuns: 5_000 },
    )
  })

  test('cut off anywhere before its last field is none', () => {
    const text = `r1|${generation}|${imageText({ ref, version: 42, fields: ['1000', '7'] })}`
    for (let length = 0; length < text.length; length += 1) {
      expect(versionInBytes(bytesOf(text.slice(0, length)), registerPrefix(generation))).toBe(-1)
    }
  })

  test('of a version that a number cannot hold exactly is refused when it is written', () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => imageText({ ref, version: wrong, fields: ['0', '0'] })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field: 'version' }),
      )
    }
  })
})

describe('a watermark', () => {
  const watermark = { generation, epoch: '7.1.2.3', position: '10:20:11,12', asOfMs: 1_767_225_600_000 }

  test('comes back as it was written', () => {
    expect(parseWatermark(formatWatermark(watermark))).toEqual(watermark)
  })

  test('that could not be read back is refused', () => {
    for (const wrong of [{ generation: 'x' }, { epoch: '' }, { position: 'a|b' }, { asOfMs: -1 }]) {
      expect(() => formatWatermark({ ...watermark, ...wrong })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })
})

test('a position inside a backlog comes back as it was written, and a plain one stays plain', () => {
  const inside = { target: '20:20:', lastId: '77' }
  expect(parsePosition(formatInside('10:10:', inside))).toEqual({ base: '10:10:', inside })
  expect(parsePosition('10:20:11,12')).toEqual({ base: '10:20:11,12', inside: undefined })
})
