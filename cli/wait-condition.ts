import type { KubeObject } from '../src/api/object.ts'
import { UsageError } from './command.ts'
import { findValues, parsePath, valueText } from './jsonpath.ts'

/** What `wait --for` waits for: a question to an object, which is undefined when it is not there. */
export type WaitCondition = (object: KubeObject | undefined) => boolean

export interface ParsedCondition {
  kind: 'create' | 'delete' | 'condition' | 'jsonpath'
  isMet: WaitCondition
}

interface Conditioned {
  metadata: KubeObject['metadata']
  status?: { conditions?: { type: string; status: string; observedGeneration?: number }[]; observedGeneration?: number }
}

/** `delete`, `create`, `condition=Ready`, `condition=Ready=false`, `jsonpath={.status.phase}=Running`. Throws UsageError. */
export function parseWaitCondition(text: string): ParsedCondition {
  if (/^delete$/i.test(text)) return { kind: 'delete', isMet: (object) => object === undefined }
  if (/^create$/i.test(text)) return { kind: 'create', isMet: (object) => object !== undefined }
  const condition = /^condition=([^=]+)(?:=(.*))?$/s.exec(text)
  if (condition) return { kind: 'condition', isMet: conditionIsMet(condition[1]!, condition[2] ?? 'true') }
  const jsonpath = /^jsonpath=(?:'(.*?)'|(\{.*?\}|[^=]+))(?:=(.*))?$/s.exec(text)
  if (jsonpath) return { kind: 'jsonpath', isMet: pathIsMet(jsonpath[1] ?? jsonpath[2]!, jsonpath[3]) }
  throw new UsageError(`unrecognized condition: "${text}"`)
}

function conditionIsMet(type: string, status: string): WaitCondition {
  return (object) => {
    const { status: current, metadata } = (object ?? { metadata: {} }) as Conditioned
    const found = current?.conditions?.find((one) => one.type.toLowerCase() === type.toLowerCase())
    if (!found) return false
    const observed = found.observedGeneration ?? current?.observedGeneration
    if (observed !== undefined && metadata.generation !== undefined && observed < metadata.generation) return false
    return found.status.toLowerCase() === status.toLowerCase()
  }
}

function pathIsMet(path: string, wanted: string | undefined): WaitCondition {
  const steps = parsePath(path.replaceAll(/^\{|\}$/g, ''))
  const value = wanted?.replaceAll(/^["']|["']$/g, '')
  return (object) => {
    if (object === undefined) return false
    const values = findValues(steps, object)
    if (value === undefined) return values.length > 0
    return values.length > 0 && values.every((one) => valueText(one) === value)
  }
}
