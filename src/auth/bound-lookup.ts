import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { BoundLookup } from './token-claims.ts'

/** Looks up what tokens are bound to in this node's own replica. */
export function boundLookupFrom(informers: Informers): BoundLookup {
  const byKind = {
    ServiceAccount: informers.for<KubeObject>(refs.serviceAccounts),
    Pod: informers.for<KubeObject>(refs.pods),
    Secret: informers.for<KubeObject>(refs.secrets),
    Node: informers.for<KubeObject>(refs.nodes),
  }
  return (kind, namespace, name) => {
    const metadata = byKind[kind].get(namespace, name)?.metadata
    return metadata && { uid: metadata.uid ?? '', deletionTimestamp: metadata.deletionTimestamp }
  }
}
