import type { Container, Pod, ServiceAccount, Volume } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { awaitObject } from './await-object.ts'
import { containersOf, isMirrorPod } from './pod-containers.ts'
import { isOn, type AdmissionPlugin } from './plugin.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const volumePrefix = 'kube-api-access-'
/** An hour and seven seconds: tells tokens of pods from those that people ask for (upstream's default). */
const tokenSeconds = 3607
/** Where generated names take their letters from: no vowels, nothing that looks like another. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
/** A new namespace gets its `default` account from a controller, a moment later. */
const missingAccountWaitMs = 3000

/** Every pod runs as a service account and finds a token, the CA and its namespace under the well-known path. */
export function serviceAccountAdmission(options: {
  serviceAccounts: Informer<ServiceAccount>
  clock: Clock
  random: Random
}): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    async mutates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE')) return
      const pod = attributes.object as Pod
      if (!pod.spec || isMirrorPod(pod)) return
      const name = pod.spec.serviceAccountName || 'default'
      pod.spec.serviceAccountName = name
      pod.spec.serviceAccount = name
      const account = await awaitObject(
        options.serviceAccounts,
        { namespace: attributes.namespace, name },
        { waitMs: missingAccountWaitMs, clock: options.clock, signal: attributes.signal },
      )
      if (!account) {
        const why = `error looking up service account ${attributes.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`
        throw errors.forbidden(attributes.ref, attributes.name, why)
      }
      if (mountsToken(pod, account)) mountToken(pod, options.random)
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets)
      }
    },

    validates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE')) return
      const pod = attributes.object as Pod
      if (!isMirrorPod(pod)) return
      const refuse = (why: string): never => {
        throw errors.forbidden(attributes.ref, attributes.name, why)
      }
      if (pod.spec?.serviceAccountName) refuse('a mirror pod may not reference service accounts')
      if (pod.spec?.volumes?.some((volume) => volume.projected?.sources?.some((one) => one.serviceAccountToken))) {
        refuse('a mirror pod may not use ServiceAccountToken volume projections')
      }
    },
  }
}

/** The pod's own word counts before its account's; without either, yes. */
function mountsToken(pod: Pod, account: ServiceAccount): boolean {
  return pod.spec?.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true
}

function mountToken(pod: Pod, random: Random): void {
  const spec = pod.spec!
  const lacking = containersOf(pod).filter((container) => !hasMount(container))
  if (lacking.length === 0) return
  let volume = spec.volumes?.find(isTokenVolume)
  if (!volume) {
    volume = tokenVolume(volumePrefix + randomSuffix(random))
    spec.volumes = [...(spec.volumes ?? []), volume]
  }
  for (const container of lacking) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name: volume.name, readOnly: true, mountPath }]
  }
}

const hasMount = (container: Container): boolean =>
  container.volumeMounts?.some((mount) => mount.mountPath === mountPath) ?? false

const isTokenVolume = (volume: Volume): boolean =>
  volume.name.startsWith(volumePrefix) &&
  (volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined) ?? false)

/** The volume's definition: what a kubelet fills from a TokenRequest, the CA's ConfigMap and the pod itself. */
export function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  }
}

function randomSuffix(random: Random): string {
  return Array.from({ length: 5 }, () => alphabet[Math.floor(random.next() * alphabet.length)]).join('')
}
