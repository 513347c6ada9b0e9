import type { ConfigMap, Role, RoleBinding } from '../api/kinds.ts'
import { isStatus } from '../api/status-error.ts'
import { anonymous } from '../auth/user.ts'
import { type Client, refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Member } from '../decision/cluster-state.ts'
import type { Clock } from '../lib/clock.ts'
import { keepInStep } from '../lib/keep-in-step.ts'
import type { Logger } from '../lib/log.ts'

const retryMs = 500
const identity = { name: 'cluster-info', namespace: 'kube-public' }
const group = 'rbac.authorization.k8s.io'

/**
 * Anybody may read kube-public/cluster-info, and nothing else there: what it says, the authority of the servers'
 * certificates and an address, every handshake tells as well (kubeadm's cluster discovery).
 */
export function clusterInfoAccess(): (Role | RoleBinding)[] {
  const metadata = { name: 'kubeadm:bootstrap-signer-clusterinfo', namespace: identity.namespace }
  return [
    {
      apiVersion: `${group}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [identity.name], verbs: ['get'] }],
    },
    {
      apiVersion: `${group}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: group, kind: 'Role', name: metadata.name },
      subjects: [{ kind: 'User', apiGroup: group, name: anonymous.username ?? '' }],
    },
  ]
}

/**
 * The kubeconfig of cluster-info: one cluster without a name, no user. It stays as it is while the server that it names
 * is one of `servers`, so that nothing is signed anew without need; undefined without any server. Pure.
 */
export function clusterInfoKubeconfig(caPem: string, servers: readonly string[], stored?: string): string | undefined {
  const texts = servers.map((server) =>
    [
      'apiVersion: v1',
      'clusters:',
      '- cluster:',
      `    certificate-authority-data: ${btoa(caPem)}`,
      `    server: ${server}`,
      '  name: ""',
      'contexts: null',
      'current-context: ""',
      'kind: Config',
      'preferences: {}',
      'users: null',
      '',
    ].join('\n'),
  )
  return texts.find((text) => text === stored) ?? texts[0]
}

/** Keeps kube-public/cluster-info naming a member that is alive, until the signal comes. */
export function keepClusterInfo(
  context: {
    client: Client
    informers: Informers
    clock: Clock
    logger: Logger
    caPem: string
    members(): readonly Member[]
    isAlive(nodeName: string): boolean | undefined
    onMembership(handler: () => void): () => void
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, logger } = context

  async function write(): Promise<void> {
    const servers = context.members().flatMap(({ node, apiUrl }) => (context.isAlive(node) === false ? [] : [apiUrl]))
    const wanted = (stored?: ConfigMap) =>
      clusterInfoKubeconfig(context.caPem, servers.toSorted(), stored?.data?.['kubeconfig'])
    const stored = informers.for<ConfigMap>(refs.configMaps).get(identity.namespace, identity.name)
    const kubeconfig = wanted(stored)
    if (kubeconfig === undefined || stored?.data?.['kubeconfig'] === kubeconfig) return
    if (!stored) {
      const info = { apiVersion: 'v1', kind: 'ConfigMap', metadata: identity, data: { kubeconfig } }
      await client.create<ConfigMap>(refs.configMaps, info)
      return
    }
    await client.mutate<ConfigMap>(refs.configMaps, identity.namespace, identity.name, (current) => ({
      ...current,
      data: { ...current.data, kubeconfig: wanted(current) ?? kubeconfig },
    }))
  }

  return keepInStep(
    {
      clock,
      retryMs,
      sync: write,
      onChange: context.onMembership,
      onError(error) {
        // Another member was first: it is looked at again.
        if (!isStatus(error, 'AlreadyExists'))
          logger.warn({ error: String(error) }, 'kube-public/cluster-info not written')
      },
    },
    signal,
  )
}
