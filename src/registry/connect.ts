import type { AdmissionChain } from '../admission/chain.ts'
import type { KubeObject } from '../api/object.ts'
import { admissionAttributes, passOnWarnings } from './admission-attributes.ts'
import type { Target } from './options.ts'
import type { RequestContext } from './ports.ts'

/**
 * Asks admission whether a connection (exec, attach, portforward, proxy) may be made. `options` is what upstream calls
 * the connect options: PodExecOptions and its like, as read from the query. Throws Forbidden and whatever plugins throw.
 */
export async function admitConnection(
  admission: AdmissionChain,
  context: RequestContext,
  target: Target,
  options: KubeObject,
): Promise<void> {
  const attributes = admissionAttributes(context, { ...target.definition, kind: options.kind }, target, 'CONNECT', {})
  attributes.object = options
  await admission.mutate(attributes)
  await admission.validate(attributes)
  passOnWarnings(attributes, context)
}
