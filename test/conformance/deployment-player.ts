import { createHash } from 'node:crypto'
import type { Deployment, ReplicaSet } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { Fixture } from '../../src/apiserver/testing/fixture.ts'
import { refs } from '../../src/client/client.ts'
import { inProcessClient } from '../../src/registry/in-process-client.ts'
import { storeInformers } from '../../src/registry/store-informers.ts'

const revisionKey = 'deployment.kubernetes.io/revision'

/** Plays the deployment controller as far as `kubectl rollout` looks: a ReplicaSet a template, and a finished status. */
export function playDeployments({ registry, store }: Fixture): () => void {
  const user = { username: 'system:player', groups: ['system:masters'] }
  const client = inProcessClient(registry, user)
  const informers = storeInformers(store)
  const replicaSets = informers.for<ReplicaSet & KubeObject>(refs.replicaSets)
  const seen = new Map<string, number>()

  async function roll(deployment: Deployment & KubeObject): Promise<void> {
    const { namespace = '', name = '', uid = '', generation = 0 } = deployment.metadata
    if (seen.get(uid) === generation) return
    seen.set(uid, generation)
    const hash = createHash('md5').update(JSON.stringify(deployment.spec?.template)).digest('hex').slice(0, 8)
    const own = replicaSets.list(namespace).filter((one) => one.metadata.ownerReferences?.[0]?.uid === uid)
    const newest = Math.max(0, ...own.map((one) => Number(one.metadata.annotations?.[revisionKey] ?? 0)))
    const current = own.find((one) => one.metadata.name === `${name}-${hash}`)
    const revision = current && Number(current.metadata.annotations?.[revisionKey]) === newest ? newest : newest + 1
    if (current) await annotate(refs.replicaSets, namespace, `${name}-${hash}`, revision)
    else await client.create(refs.replicaSets, replicaSetOf(deployment, hash, revision))
    await annotate(refs.deployments, namespace, name, revision)
    await client.mutate<Deployment & KubeObject>(
      refs.deployments,
      namespace,
      name,
      (one) => {
        const replicas = one.spec?.replicas ?? 1
        const counts = { replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas }
        one.status = { ...counts, observedGeneration: generation, conditions: [{ type: 'Available', status: 'True' }] }
        return one
      },
      { subresource: 'status' },
    )
  }

  function annotate(
    ref: typeof refs.deployments | typeof refs.replicaSets,
    namespace: string,
    name: string,
    revision: number,
  ) {
    return client.mutate<KubeObject>(ref, namespace, name, (one) => {
      one.metadata.annotations = { ...one.metadata.annotations, [revisionKey]: String(revision) }
      return one
    })
  }

  return informers.for<Deployment & KubeObject>(refs.deployments).onChange(({ object }) => {
    // What it plays on may be deleted meanwhile.
    if (object) void roll(object).catch(() => undefined)
  })
}

function replicaSetOf(deployment: Deployment & KubeObject, hash: string, revision: number): ReplicaSet & KubeObject {
  const { name = '', namespace, uid = '' } = deployment.metadata
  const template = structuredClone(deployment.spec?.template ?? {})
  const labels = { ...template.metadata?.labels, 'pod-template-hash': hash }
  template.metadata = { ...template.metadata, labels }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: { [revisionKey]: String(revision) },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: { replicas: deployment.spec?.replicas ?? 1, selector: { matchLabels: labels }, template },
  }
}
