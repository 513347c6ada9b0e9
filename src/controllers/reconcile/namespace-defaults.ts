import type { ConfigMap, Namespace, ServiceAccount } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, splitKey } from '../controller.ts'

/** Every namespace has a `default` ServiceAccount and the cluster's CA in `kube-root-ca.crt`. */
export function namespaceDefaultsController(caPem: string): Controller {
  return {
    name: 'namespace-defaults',
    watches: [
      { ref: refs.namespaces, keysOf: ({ name }) => [`/${name}`] },
      { ref: refs.serviceAccounts, keysOf: ({ namespace, name }) => (name === 'default' ? [`/${namespace}`] : []) },
      { ref: refs.configMaps, keysOf: ({ namespace, name }) => (name === 'kube-root-ca.crt' ? [`/${namespace}`] : []) },
    ],
    keys: (view) => view.list<Namespace>(refs.namespaces).map(keyOf),
    plan(key, view) {
      const { name: namespace } = splitKey(key)
      const found = view.get<Namespace>(refs.namespaces, '', namespace)
      if (!found || found.metadata.deletionTimestamp) return nothing
      const actions: Action[] = []
      if (!view.get<ServiceAccount>(refs.serviceAccounts, namespace, 'default')) {
        actions.push({
          do: 'create',
          ref: refs.serviceAccounts,
          object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } },
        })
      }
      const data = { 'ca.crt': caPem }
      const map = view.get<ConfigMap>(refs.configMaps, namespace, 'kube-root-ca.crt')
      const description =
        'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'
      const object: ConfigMap = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kube-root-ca.crt', namespace, annotations: { 'kubernetes.io/description': description } },
        data,
      }
      if (!map) actions.push({ do: 'create', ref: refs.configMaps, object })
      else if (map.data?.['ca.crt'] !== caPem) {
        actions.push({
          do: 'mutate',
          ref: refs.configMaps,
          namespace,
          name: 'kube-root-ca.crt',
          uid: map.metadata.uid!,
          change: (current) => ({ ...current, data }) as typeof current,
        })
      }
      return { actions }
    },
  }
}
