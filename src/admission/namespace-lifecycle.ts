import type { Namespace } from '../api/kinds.ts'
import { errors, StatusError } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import { awaitObject } from './await-object.ts'
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts'

const immortal: readonly string[] = ['default', 'kube-system', 'kube-public']
/** A namespace that another node has just made is on its way. */
const missingNamespaceWaitMs = 100

/** Objects need a namespace that is there and is not on its way out; some namespaces never go. */
export function namespaceLifecycle(namespaces: Informer<Namespace>, clock: Clock): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    async mutates(attributes) {
      const { operation, ref, name, namespace, signal } = attributes
      if (ref.group === '' && ref.resource === 'namespaces') {
        if (operation === 'DELETE' && attributes.subresource === '' && immortal.includes(name)) {
          throw errors.forbidden(ref, name, 'this namespace may not be deleted')
        }
        return
      }
      if (namespace === '' || operation === 'DELETE' || operation === 'CONNECT' || isAccessReview(attributes)) return
      const found = await awaitObject(
        namespaces,
        { namespace: '', name: namespace },
        { waitMs: missingNamespaceWaitMs, clock, signal },
      )
      if (!found) throw errors.notFound(refs.namespaces, namespace)
      if (operation === 'CREATE' && isTerminating(found)) throw terminating(attributes)
    },
  }
}

function isTerminating(namespace: Namespace): boolean {
  return namespace.metadata.deletionTimestamp !== undefined || namespace.status?.phase === 'Terminating'
}

/** Questions may be asked about namespaces that are not there. */
function isAccessReview({ ref }: AdmissionAttributes): boolean {
  return ref.group === 'authorization.k8s.io' && ref.resource === 'localsubjectaccessreviews'
}

function terminating({ ref, name, namespace }: AdmissionAttributes): StatusError {
  const plain = errors.forbidden(
    ref,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  )
  return new StatusError('Forbidden', plain.message, {
    ...plain.details,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  })
}
