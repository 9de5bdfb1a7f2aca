import { describe, expect, test } from 'vitest'
import { pretendCheckout } from './checkout.js'

/** What pnpm prints when the registry knows of one hole of this level. */
const answerOf = (severity: string): string =>
  JSON.stringify({
    advisories: {
      1: { module_name: 'left-pad', severity, title: 'Pads what it should not', url: 'https://x.example' },
    },
    metadata: { vulnerabilities: { info: 0, low: 0, moderate: 0, high: 0, critical: 0, [severity]: 1 } },
  })

describe('the audit of dependencies', () => {
  test('asks for those that users install, and passes when nothing is known', async () => {
    using checkout = pretendCheckout()
    const answer = JSON.stringify({ advisories: {}, metadata: { vulnerabilities: {} } })
    const { code, stdout } = await checkout.run(['check', 'audit'], { AUDIT_ANSWER: answer })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok {6}audit {2}[\d.]+ s\n/)])
    expect(checkout.npxCalls()).toContainEqual('-y pnpm@1.2.3 audit --prod --audit-level high --json')
  })

  test('fails for a hole of level high or critical, and names it', async () => {
    const severity = 'critical'
    using checkout = pretendCheckout()
    const told = { AUDIT_ANSWER: answerOf(severity), AUDIT_CODE: '1' }
    const { code, stdout } = await checkout.run(['check', 'audit'], told)
    expect(code).toBe(1)
    expect(stdout).toContain(`left-pad: ${severity}: Pads what it should not (https://x.example)`)
  })

  test('leaves lesser holes to whoever asks for them', async () => {
    using checkout = pretendCheckout()
    expect((await checkout.run(['check', 'audit'], { AUDIT_ANSWER: answerOf('moderate') })).code).toBe(0)
  })

  test.each(['not json', '{"error":{"code":"ERR_PNPM_AUDIT_BAD_RESPONSE"}}'])(
    'says that nothing was audited when the registry answers %j, and fails a release alone',
    async (AUDIT_ANSWER) => {
      using checkout = pretendCheckout()
      const told = { AUDIT_ANSWER, AUDIT_CODE: '1' }
      const { code, stdout } = await checkout.run(['check', 'audit'], told)
      expect([code, stdout]).toEqual([
        0,
        expect.stringContaining('nothing was audited, because the registry'),
      ])
      expect((await checkout.run(['check', 'audit'], { ...told, KERP_AUDIT: 'strict' })).code).toBe(1)
    },
  )
})
