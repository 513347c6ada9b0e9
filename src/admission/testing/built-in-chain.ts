import type { Pod, UserInfo } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { fakeInformers } from '../../client/fake-informers.ts'
import type { Clock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/system.ts'
import { builtInAdmission } from '../built-in.ts'
import { createAdmissionChain } from '../chain.ts'
import type { AdmissionAttributes } from '../plugin.ts'

type PodSpec = NonNullable<Pod['spec']>

/** Timers fire at once: waiting for what never comes ends at once. */
const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after(_, run) {
    let live = true
    queueMicrotask(() => live && run())
    return { cancel: () => void (live = false) }
  },
}
const jane: UserInfo = { username: 'jane', groups: ['system:authenticated'] }
const podRef = { group: '', version: 'v1', resource: 'pods', kind: 'Pod' }

/** The pod `web` of the namespace `shop`. */
export const aPod = (spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
})

/** Of a create of a pod by jane, but for what `rest` says. */
export const attributesOf = (rest: Partial<AdmissionAttributes> = {}): AdmissionAttributes => ({
  operation: 'CREATE',
  ref: podRef,
  subresource: '',
  namespace: 'shop',
  name: 'web',
  user: jane,
  dryRun: false,
  options: {},
  warnings: [],
  auditAnnotations: {},
  ...rest,
})

/** The built-in plugins over informers that know the namespace `shop` and its default ServiceAccount. */
export function builtInChain() {
  const informers = fakeInformers()
  const put = (ref: { group: string; resource: string }, object: object): void =>
    informers.put(ref, { apiVersion: 'v1', kind: 'X', ...object } as KubeObject)
  put(refs.namespaces, { metadata: { name: 'shop' } })
  put(refs.serviceAccounts, { metadata: { namespace: 'shop', name: 'default' } })
  const chain = createAdmissionChain(
    builtInAdmission({
      informers,
      clock,
      random: systemRandom,
      authorize: () => ({ verdict: 'no-opinion', reason: '' }),
    }),
  )
  async function admit(rest: Partial<AdmissionAttributes> = {}): Promise<AdmissionAttributes> {
    const attributes = attributesOf({ object: aPod(), ...rest })
    await chain.mutate(attributes)
    await chain.validate(attributes)
    return attributes
  }
  const admitPod = async (spec: Partial<PodSpec> = {}): Promise<PodSpec> =>
    ((await admit({ object: aPod(spec) })).object as Pod).spec!
  return { informers, chain, put, admit, admitPod }
}
