import type { Namespace, Pod, PodSpec, PodTemplateSpec } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { errors, fieldErrors } from '../../api/status-error.ts'
import type { Informer } from '../../client/informer.ts'
import { isOn, type AdmissionAttributes, type AdmissionPlugin } from '../plugin.ts'
import { levels, policyOf, violations, violationText, type LevelVersion } from './levels.ts'
import type { Violation } from './check.ts'

const namespacesRef = { group: '', resource: 'namespaces' }
/** Resources whose objects hold a pod template: warned and audited, so that an author hears before the pods fail. */
const templated = new Set([
  'replicationcontrollers',
  'podtemplates',
  'replicasets.apps',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'cronjobs.batch',
  'jobs.batch',
])

/** Pod Security admission: the level that a namespace's labels enforce, audit and warn of. */
export function podSecurity(namespaces: Informer<Namespace>): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    validates(attributes) {
      const { ref, operation, subresource } = attributes
      if (operation !== 'CREATE' && operation !== 'UPDATE') return
      if (ref.group === '' && ref.resource === 'namespaces') return checkLabels(attributes)
      if (attributes.namespace === '') return
      const isPod = ref.group === '' && ref.resource === 'pods'
      if (isPod && subresource !== '' && subresource !== 'ephemeralcontainers') return
      if (!isPod && (subresource !== '' || !templated.has(ref.group ? `${ref.resource}.${ref.group}` : ref.resource)))
        return
      if (isPod && operation === 'UPDATE' && !changesSecurity(attributes)) return
      const found = podOf(attributes.object!, isPod)
      if (found) check(attributes, found, isPod, policyOf(namespaces.get('', attributes.namespace)?.metadata.labels))
    },
  }
}

function check(
  attributes: AdmissionAttributes,
  { spec, metadata }: PodTemplateSpec,
  enforce: boolean,
  policy: ReturnType<typeof policyOf>,
): void {
  const judge = ({ level }: LevelVersion): Violation[] => violations(level, spec as PodSpec, metadata ?? {})
  if (enforce) {
    const found = judge(policy.enforce)
    if (found.length) throw errors.forbidden(attributes.ref, attributes.name, violationText(policy.enforce, found))
    attributes.auditAnnotations['pod-security.kubernetes.io/enforce-policy'] =
      `${policy.enforce.level}:${policy.enforce.version}`
  }
  const audited = judge(policy.audit)
  if (audited.length) {
    attributes.auditAnnotations['pod-security.kubernetes.io/audit-violations'] = violationText(
      policy.audit,
      audited,
      'would violate',
    )
  }
  const warned = judge(policy.warn)
  if (warned.length) attributes.warnings.push(violationText(policy.warn, warned, 'would violate'))
}

/** The pod, or the pod that a workload's template describes. */
function podOf(object: KubeObject, isPod: boolean): PodTemplateSpec | undefined {
  if (isPod) return object as Pod
  const owner = object as {
    template?: PodTemplateSpec
    spec?: { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } }
  }
  const template = owner.spec?.jobTemplate?.spec?.template ?? owner.spec?.template ?? owner.template
  return template?.spec ? template : undefined
}

/** Updates that touch neither the spec nor the old AppArmor annotations change nothing that the standards speak of. */
function changesSecurity({ object, oldObject }: AdmissionAttributes): boolean {
  const relevant = (pod: KubeObject | undefined): string =>
    JSON.stringify([
      (pod as Pod | undefined)?.spec,
      Object.entries(pod?.metadata.annotations ?? {}).filter(([key]) => key.includes('apparmor')),
    ])
  return relevant(object) !== relevant(oldObject)
}

function checkLabels(attributes: AdmissionAttributes): void {
  if (!isOn(attributes, namespacesRef, 'CREATE', 'UPDATE')) return
  const { name = '', labels = {} } = attributes.object!.metadata
  const causes = ['enforce', 'audit', 'warn'].flatMap((mode) => {
    const key = `pod-security.kubernetes.io/${mode}`
    const version = labels[`${key}-version`]
    const stored = attributes.oldObject?.metadata.labels
    return [
      ...(labels[key] !== undefined && labels[key] !== stored?.[key] && !levels.includes(labels[key] as never)
        ? [
            fieldErrors.invalid(
              `metadata.labels[${key}]`,
              labels[key],
              'must be one of privileged, baseline, restricted',
            ),
          ]
        : []),
      ...(version !== undefined &&
      version !== stored?.[`${key}-version`] &&
      version !== 'latest' &&
      !/^v1\.\d+$/.test(version)
        ? [fieldErrors.invalid(`metadata.labels[${key}-version]`, version, 'must be "latest" or "v1.x"')]
        : []),
    ]
  })
  if (causes.length) throw errors.invalid({ group: '', kind: 'Namespace' }, name, causes)
}
