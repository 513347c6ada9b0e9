import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../src/api/object.ts'
import { parseWaitCondition } from './wait-condition.ts'

const pod = (status: object, generation = 1): KubeObject =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', generation }, status }) as KubeObject

const ready = (status: string) => pod({ conditions: [{ type: 'Ready', status }] })

describe('parseWaitCondition', () => {
  it.each([
    ['delete', undefined, true],
    ['delete', ready('True'), false],
    ['create', undefined, false],
    ['create', ready('False'), true],
    ['condition=Ready', ready('True'), true],
    ['condition=ready', ready('True'), true],
    ['condition=Ready', ready('False'), false],
    ['condition=Ready=false', ready('False'), true],
    ['condition=Ready', pod({}), false],
    ['condition=Ready', undefined, false],
    ['jsonpath={.status.phase}=Running', pod({ phase: 'Running' }), true],
    ["jsonpath='{.status.phase}'=Running", pod({ phase: 'Running' }), true],
    ['jsonpath={.status.phase}=Running', pod({ phase: 'Pending' }), false],
    ['jsonpath={.status.n}=3', pod({ n: 3 }), true],
    ['jsonpath={.status.phase}', pod({ phase: 'Pending' }), true],
    ['jsonpath={.status.phase}', pod({}), false],
    ['jsonpath={.status.c[?(@.type=="A")].status}=yes', pod({ c: [{ type: 'A', status: 'yes' }] }), true],
  ])('%s of %j is %s', (text, object, met) => {
    expect(parseWaitCondition(text).isMet(object)).toBe(met)
  })

  it('does not trust a status that is older than the spec', () => {
    const stale = pod({ observedGeneration: 1, conditions: [{ type: 'Available', status: 'True' }] }, 2)
    expect(parseWaitCondition('condition=Available').isMet(stale)).toBe(false)
  })

  it('refuses what it does not know', () => {
    expect(() => parseWaitCondition('ready')).toThrow('unrecognized condition: "ready"')
  })
})
