import type { KubeObject } from '../src/api/object.ts'
import { parseYaml } from '../src/schema/yaml.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'

/** For a command that makes an object out of options: what else it should have. */
export const overrideOptions: readonly OptionDefinition[] = [
  { flags: '--overrides <json>', summary: 'a patch for the object that is made' },
  { flags: '--override-type <type>', summary: 'of the patch: merge, json or strategic', default: 'merge' },
]

/** The object with `--overrides` in it. Throws UsageError for a patch that cannot be read or of an unknown type. */
export async function overridden<T extends KubeObject>(invocation: Invocation, object: T): Promise<T> {
  const text = option.text(invocation, 'overrides')
  if (text === undefined) return object
  const type = option.text(invocation, 'overrideType') ?? 'merge'
  if (type !== 'merge' && type !== 'json' && type !== 'strategic')
    throw new UsageError(`--override-type ${type}: must be one of json, merge, strategic`)
  let body: unknown
  try {
    body = parseYaml(text).value
  } catch (error) {
    throw new UsageError(`--overrides is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const { applyLocally } = await import('./local-patch.ts')
  return applyLocally(object, { type, body }) as T
}
