import { createAdmissionChain } from '../../admission/chain.ts'
import type { KubeObject } from '../../api/object.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { must } from '../../lib/assert.ts'
import { builtinResources } from '../../kinds/builtin.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import { createCatalogue } from '../catalogue.ts'
import type { RegistryOptions } from '../environment.ts'
import type { Target } from '../options.ts'
import type { RequestContext } from '../ports.ts'
import { createRegistry, type Registry } from '../registry.ts'
import { schemaTypeSystem } from '../type-system.ts'
import { memoryStore } from './memory-store.ts'

// oxlint-disable-next-line no-explicit-any -- tests look into objects of every kind
type Loose = any

/** A registry of all built-in kinds over a store in memory, without admission, for an administrator. */
export function testRegistry(overrides: Partial<RegistryOptions> = {}) {
  const graph = loadBuiltinSchemas()
  const store = overrides.store ?? memoryStore()
  const catalogue = createCatalogue(builtinResources(graph))
  const registry: Registry = createRegistry({
    store,
    catalogue,
    types: schemaTypeSystem(graph),
    admission: createAdmissionChain([]),
    authorize: () => ({ verdict: 'allow', reason: '' }),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    ...overrides,
  })
  const warnings: string[] = []
  const context: RequestContext = {
    user: { username: 'admin' },
    userAgent: 'test',
    warn: (text) => void warnings.push(text),
  }
  /** `deployments.apps` → its target. */
  const target = (resource: string, name = '', subresource = '', namespace = 'default'): Target => {
    const [plural = '', ...group] = resource.split('.')
    const definition = must(
      catalogue.preferred({ group: group.join('.'), resource: plural }),
      `no resource ${resource}`,
    )
    return { definition, namespace: definition.namespaced ? namespace : '', name, subresource }
  }
  const create = (resource: string, value: object, options = {}): Promise<Loose> =>
    registry.create(context, target(resource), { value: structuredClone(value), strictErrors: [] }, options)
  const update = async (resource: string, object: KubeObject, subresource = ''): Promise<Loose> =>
    (
      await registry.update(
        context,
        target(resource, object.metadata.name, subresource),
        { value: structuredClone(object), strictErrors: [] },
        {},
      )
    ).object
  const get = (resource: string, name: string): Promise<Loose> => registry.get(context, target(resource, name))
  return { registry, store, catalogue, context, warnings, target, create, update, get }
}
