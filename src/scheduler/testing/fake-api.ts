import type { Binding, Pod } from '../../api/kinds.ts'
import { type GroupResource, groupResourceName, type KubeObject } from '../../api/object.ts'
import { StatusError } from '../../api/status-error.ts'
import { type Client, refs } from '../../client/client.ts'
import { fakeInformers, type FakeInformers } from '../../client/fake-informers.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Random } from '../../lib/clock.ts'

/** Always the same number. */
export const fixedRandom = (value = 0): Random => ({ next: () => value, bytes: (length) => new Uint8Array(length) })

export interface FakeApi {
  readonly client: Client
  readonly informers: FakeInformers
  readonly events: EventRecorder
  readonly recorded: { about: string; type: string; reason: string; message: string }[]
  /** Bindings that are to fail, by pod name, with this error. */
  readonly failures: Map<string, Error>
  pod(name: string, namespace?: string): Pod | undefined
}

/** An API that is its informers: what is written is seen at once. */
export function fakeApi(): FakeApi {
  const informers = fakeInformers()
  const recorded: FakeApi['recorded'] = []
  const failures = new Map<string, Error>()
  const must = <T extends KubeObject>(ref: GroupResource, namespace: string, name: string): T => {
    const found = informers.for<T>(ref).get(namespace, name)
    if (!found) throw new StatusError('NotFound', `${groupResourceName(ref)} "${name}" not found`)
    return found
  }
  const refuse = (): never => {
    throw new StatusError('InternalError', 'the scheduler does not ask for this')
  }
  const client: Client = {
    async get(ref, namespace, name) {
      return must(ref, namespace, name)
    },
    async list(ref) {
      return { items: informers.for<never>(ref).list(), resourceVersion: '1' }
    },
    async create(ref, object, options) {
      if (options?.subresource !== 'binding') return refuse()
      const { namespace = '', name = '' } = object.metadata
      const failure = failures.get(name)
      if (failure) throw failure
      const pod = must<Pod>(refs.pods, namespace, name)
      const { target } = object as unknown as Binding
      informers.put(ref, { ...pod, spec: { ...pod.spec!, nodeName: target.name! } } as Pod)
      return object
    },
    async update(ref, object) {
      informers.put(ref, object)
      return object
    },
    async mutate<T extends KubeObject>(
      ref: GroupResource,
      namespace: string,
      name: string,
      change: (current: T) => T | undefined,
    ) {
      const current = must<T>(ref, namespace, name)
      // The scheduler alters nothing that it is given, and a copy would count as its work in benches.
      const next = change(current)
      if (next) informers.put(ref, next)
      return next ?? current
    },
    async patch() {
      return refuse()
    },
    async delete(ref, namespace, name) {
      informers.remove(ref, namespace, name)
    },
  }
  return {
    client,
    informers,
    events: {
      event: (about, type, reason, message) => void recorded.push({ about: about.name ?? '', type, reason, message }),
    },
    recorded,
    failures,
    pod: (name, namespace = 'default') => informers.for<Pod>(refs.pods).get(namespace, name),
  }
}
