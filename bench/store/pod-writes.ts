import type { KubeObject } from '../../src/api/object.ts'
import type { BenchStore } from './cluster.ts'
import { podKey, samplePod, sampleStatus } from './sample-pod.ts'

/** A new pod, durable when it resolves. */
export const createPod = ({ store }: BenchStore, index: number): Promise<KubeObject> =>
  store.write({ op: 'create', key: podKey(index), object: samplePod(index), decided: false })

/** The next status of a pod that may be gone. */
export async function updatePod({ store }: BenchStore, index: number, round: number): Promise<void> {
  const base = store.get(podKey(index))
  if (!base) return
  const object = { ...base, status: sampleStatus(index, round) } as KubeObject
  await store.write({ op: 'update', key: podKey(index), uid: base.metadata.uid ?? '', base, object, decided: false })
}
