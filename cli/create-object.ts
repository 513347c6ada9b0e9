import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option } from './command.ts'
import { type ApiResource, displayName, pathOf } from './discovery.ts'
import { paintOutcome, paletteOf } from './printers/colour.ts'
import { withEmptyStructs } from './empty-structs.ts'
import { outputOf, printAsAsked } from './output-format.ts'
import { dryRunOf, dryRunSuffix, fieldValidationOf } from './write-options.ts'
import { namespaceOf } from './targets.ts'

/** Where an object of a known kind is created: no discovery is needed for it. */
export type CreateTarget = Pick<ApiResource, 'group' | 'version' | 'resource' | 'singular' | 'namespaced'>

export { createOptions } from './write-options.ts'

/** Creates (or with --dry-run=client only prints) one object and says so in kubectl's words. */
export async function createObject(
  invocation: Invocation,
  client: RestClient,
  target: CreateTarget,
  object: KubeObject,
  done = 'created',
): Promise<KubeObject> {
  const { io } = invocation
  const how = dryRunOf(invocation)
  const asked = option.text(invocation, 'namespace')
  const placed =
    target.namespaced && asked !== undefined
      ? { ...object, metadata: { ...object.metadata, namespace: asked } }
      : object
  const created =
    how === 'client'
      ? placed
      : await client.json<KubeObject>({
          method: 'POST',
          path: pathOf(target as ApiResource, namespaceOf(invocation, client)),
          query: {
            fieldManager: option.text(invocation, 'fieldManager') ?? 'stormo-create',
            fieldValidation: fieldValidationOf(invocation),
            dryRun: how === 'server' ? 'All' : undefined,
          },
          body: placed,
        })
  const output = outputOf(invocation)
  const name = displayName(target as ApiResource, created.metadata.name ?? '')
  io.out(
    output === 'name'
      ? `${name}\n`
      : (printAsAsked(invocation, how === 'client' ? withEmptyStructs(created) : created) ??
          `${paintOutcome(`${name} ${done}${dryRunSuffix(how)}`, paletteOf(invocation))}\n`),
  )
  return created
}
