/** How places in a company's stream are read and compared. */

import { describe, expect, test } from 'vitest'
import {
  compareStreamIds,
  isBefore,
  isSamePosition,
  ORIGIN,
  parseEventWatermark,
} from '../../packages/pubsub/src/event-position.js'

const TAIL = { streamId: '17-2', eventId: 'x1' }

test('the origin lies before the first entry', () => {
  expect(ORIGIN).toEqual({ streamId: '0-0', eventId: '' })
})

describe('a watermark', () => {
  test('is read with its history, its position and the newest entry', () => {
    expect(parseEventWatermark('e1|7.1|42|17-2|x1')).toEqual({ epoch: '7.1', position: '42', tail: TAIL })
  })

  test('is read where no relay writes and no event was', () => {
    const tail = { streamId: '123-45', eventId: '' }
    expect(parseEventWatermark('e1|||123-45|')).toEqual({ epoch: '', position: '', tail })
  })

  test.each([
    undefined,
    null,
    7,
    ['e1|7.1|42|17-2|x1'],
    '',
    'e2|7.1|42|17-2|x1',
    ' e1|7.1|42|17-2|x1',
    'e1|7.1|42|17-2|x1|more',
    'e1|7.1|42|17|x1',
    'e1|7.1|42|a-2|x1',
    'e1|7.1|42|17-b|x1',
    'e1|7.1|42|-2|x1',
    'e1|7.1|42|17-|x1',
    'e1|7.1|17-2|x1',
  ])('is not read from %j, which no script wrote', (text) => {
    expect(parseEventWatermark(text)).toBeUndefined()
  })
})

test('two positions are the same when both the entry and the event are', () => {
  expect(isSamePosition(TAIL, { ...TAIL })).toBe(true)
  expect(isSamePosition(TAIL, { ...TAIL, eventId: 'x2' })).toBe(false)
  expect(isSamePosition(TAIL, { ...TAIL, streamId: '17-3' })).toBe(false)
})

test.each([
  ['9-0', '10-0', -1],
  ['10-0', '9-9', 1],
  ['17-9', '17-10', -1],
  ['17-10', '17-9', 1],
  ['17-2', '17-3', -1],
  ['17-3', '17-2', 1],
  ['18-1', '17-2', 1],
  ['17-2', '18-1', -1],
  ['17-2', '17-2', 0],
  ['9007199254740993-0', '9007199254740992-0', 1],
])('entry %s stands to %s as numbers do: %i', (left, right, sign) => {
  expect(Math.sign(compareStreamIds(left, right))).toBe(sign)
})

test('a position is before a larger one, and not before itself', () => {
  expect(isBefore('9', '10')).toBe(true)
  expect(isBefore('10', '9')).toBe(false)
  expect(isBefore('10', '10')).toBe(false)
  expect(isBefore('10', '11')).toBe(true)
})
