import type { CustomResourceDefinition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { must } from '../../lib/assert.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import type { SchemaGraph } from '../../schema/graph.ts'
import type { Store } from '../../store/store.ts'
import type { Catalogue } from '../catalogue.ts'
import { customDefinitions } from './definitions.ts'
import { isEstablished } from './establish.ts'

const ref = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' }
const metadataSchemaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** Keeps the catalogue in step with the CRDs of this node's store: served the moment they arrive. */
export function createCustomResources(options: {
  store: Store
  catalogue: Catalogue
  graph: SchemaGraph
  log: Logger
}): Service {
  const { store, catalogue, graph, log } = options
  const metadata = must(graph.get(metadataSchemaName), 'ObjectMeta is in the graph')
  const published = new Map<string, string>()
  let subscription: { close(): void } | undefined

  function publish(object: KubeObject): void {
    const crd = object as CustomResourceDefinition & KubeObject
    const name = crd.metadata.name ?? ''
    if (!isEstablished(crd)) return withdraw(name)
    // Status changes often, what is served does not.
    const spec = JSON.stringify(crd.spec)
    if (published.get(name) === spec) return
    try {
      catalogue.set(name, customDefinitions(crd, metadata))
      published.set(name, spec)
    } catch (error) {
      log.error({ crd: name, error: String(error) }, 'custom resource definition is not served')
      withdraw(name)
    }
  }

  function withdraw(name: string): void {
    if (published.delete(name)) catalogue.set(name, [])
  }

  return {
    async start() {
      for (const crd of store.list(ref).items) publish(crd)
      subscription = store.watch(ref, undefined, (event) => {
        if (event.type === 'DELETED') withdraw(event.object.metadata.name ?? '')
        else publish(event.object)
      })
    },
    async stop() {
      subscription?.close()
      subscription = undefined
    },
  }
}
