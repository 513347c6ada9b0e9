import type { GroupResource, KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import { listedInformers } from '../src/client/listed-informers.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import type { Cluster } from '../src/scheduler/framework/cluster.ts'
import { schedulingResources, snapshotOf } from '../src/scheduler/snapshot.ts'

const pathOf = ({ group, resource }: GroupResource): string =>
  group === '' ? `/api/v1/${resource}` : `/apis/${group}/v1/${resource}`

/** The cluster as the scheduler sees it. What the user may not list counts as not there, and is told by `onMissing`. */
export async function readSnapshot(
  client: RestClient,
  signal: AbortSignal,
  onMissing: (resource: string) => void,
): Promise<Cluster> {
  const lists = await Promise.all(
    schedulingResources.map(async (ref): Promise<[GroupResource, KubeObject[]]> => {
      try {
        const { items } = await client.json<{ items: KubeObject[] }>({ path: pathOf(ref), signal })
        return [ref, items]
      } catch (error) {
        if (!isStatus(error, 'Forbidden')) throw error
        onMissing(ref.resource)
        return [ref, []]
      }
    }),
  )
  return snapshotOf(listedInformers(lists))
}
