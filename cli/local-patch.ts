import type { KubeObject } from '../src/api/object.ts'
import { loadBuiltinSchemas } from '../src/schema/graph.ts'
import { applyJsonPatch } from '../src/schema/json-patch.ts'
import { applyMergePatch } from '../src/schema/merge-patch.ts'
import { applyStrategicPatch } from '../src/schema/strategic-patch.ts'
import type { ObjectPatch } from './patch-objects.ts'

/** The object as the server would make it of the patch. Loads the schemas of all kinds: import it when it is needed. */
export function applyLocally(object: KubeObject, { type, body }: ObjectPatch): KubeObject {
  if (type === 'json') return applyJsonPatch(object, body) as KubeObject
  if (type === 'merge') return applyMergePatch(object, body) as KubeObject
  const { apiVersion = '', kind = '' } = object
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion]
  return applyStrategicPatch(object, body, loadBuiltinSchemas().byKind(group, version, kind)) as KubeObject
}
