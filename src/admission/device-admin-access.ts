import type { Namespace } from '../api/kinds.ts'
import { errors, fieldErrors } from '../api/status-error.ts'
import type { Informer } from '../client/informer.ts'
import { adminAccessPaths } from '../kinds/resource/defaults.ts'
import type { AdmissionPlugin } from './plugin.ts'

const label = 'resource.k8s.io/admin-access'
const resources: ReadonlySet<string> = new Set(['resourceclaims', 'resourceclaimtemplates'])

/** Claims on devices that others use are made in namespaces only that an administrator has marked (KEP-5018). */
export function deviceAdminAccess(namespaces: Informer<Namespace>): AdmissionPlugin {
  return {
    name: 'DeviceAdminAccess',
    validates({ ref, operation, namespace, name, object }) {
      // A claim's spec never changes: what was let in stays.
      if (ref.group !== 'resource.k8s.io' || !resources.has(ref.resource) || operation !== 'CREATE' || !object) return
      const { spec } = object as { spec?: Record<string, unknown> }
      const isTemplate = ref.resource === 'resourceclaimtemplates'
      const inner = isTemplate ? (spec?.['spec'] as Record<string, unknown> | undefined) : spec
      const paths = adminAccessPaths(inner, isTemplate ? 'spec.spec' : 'spec')
      if (paths.length === 0 || namespaces.get('', namespace)?.metadata.labels?.[label] === 'true') return
      const why = `admin access to devices requires the \`${label}: true\` label on the containing namespace`
      throw errors.invalid(
        ref,
        name,
        paths.map((path) => fieldErrors.forbidden(path, why)),
      )
    },
  }
}
