import type { Container, EnvVar, FileKeySelector, PodSpec } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { configMapKey, dns1123Subdomain, envVarName } from '../../meta/names.ts'
import { invalidEach } from '../../meta/validate.ts'

const envFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
const envResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]

/** `env` and `envFrom` of one container. */
export function validateEnv(
  container: Pick<Container, 'env' | 'envFrom'>,
  spec: Pick<PodSpec, 'volumes'>,
  path: string,
): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, one] of (container.env ?? []).entries()) {
    const at = `${path}.env[${index}]`
    if (!one.name) wrong.push(fieldErrors.required(`${at}.name`))
    else wrong.push(...invalidEach(`${at}.name`, one.name, envVarName(one.name)))
    if (one.valueFrom) wrong.push(...validateSource(one, `${at}.valueFrom`))
    const { fileKeyRef } = one.valueFrom ?? {}
    if (fileKeyRef) wrong.push(...validateFileKey(fileKeyRef, spec, `${at}.valueFrom.fileKeyRef`))
  }
  for (const [index, { prefix, configMapRef, secretRef }] of (container.envFrom ?? []).entries()) {
    const at = `${path}.envFrom[${index}]`
    if (prefix) wrong.push(...invalidEach(`${at}.prefix`, prefix, envVarName(prefix)))
    if (configMapRef && secretRef)
      wrong.push(fieldErrors.invalid(at, '', 'may not have more than one field specified at a time'))
    if (!configMapRef && !secretRef)
      wrong.push(fieldErrors.invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (configMapRef && !configMapRef.name) wrong.push(fieldErrors.required(`${at}.configMapRef.name`))
    if (secretRef && !secretRef.name) wrong.push(fieldErrors.required(`${at}.secretRef.name`))
  }
  return wrong
}

function validateSource({ value, valueFrom = {} }: EnvVar, path: string): FieldError[] {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom
  const wrong: FieldError[] = []
  const given = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(
    (one) => one !== undefined,
  )
  if (given.length === 0) {
    wrong.push(
      fieldErrors.invalid(
        path,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    )
  } else if (value) wrong.push(fieldErrors.invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (given.length > 1)
    wrong.push(fieldErrors.invalid(path, '', 'may not have more than one field specified at a time'))
  if (fieldRef) {
    if (!fieldRef.apiVersion) wrong.push(fieldErrors.required(`${path}.fieldRef.apiVersion`))
    if (!fieldRef.fieldPath) wrong.push(fieldErrors.required(`${path}.fieldRef.fieldPath`))
    else if (
      !envFields.includes(fieldRef.fieldPath) &&
      !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(fieldRef.fieldPath)
    ) {
      wrong.push(fieldErrors.notSupported(`${path}.fieldRef.fieldPath`, fieldRef.fieldPath, envFields))
    }
  }
  if (resourceFieldRef) {
    const { resource } = resourceFieldRef
    if (!resource) wrong.push(fieldErrors.required(`${path}.resourceFieldRef.resource`))
    else if (!envResources.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource)) {
      wrong.push(fieldErrors.notSupported(`${path}.resourceFieldRef.resource`, resource, envResources))
    }
  }
  for (const [field, ref] of Object.entries({ configMapKeyRef, secretKeyRef })) {
    if (!ref) continue
    if (!ref.name) wrong.push(fieldErrors.required(`${path}.${field}.name`))
    else wrong.push(...invalidEach(`${path}.${field}.name`, ref.name, dns1123Subdomain(ref.name)))
    if (!ref.key) wrong.push(fieldErrors.required(`${path}.${field}.key`))
    else wrong.push(...invalidEach(`${path}.${field}.key`, ref.key, configMapKey(ref.key)))
  }
  return wrong
}

/** A file that containers of the pod write (KEP-3721): only an emptyDir holds such. */
function validateFileKey(
  { key, path, volumeName }: FileKeySelector,
  spec: Pick<PodSpec, 'volumes'>,
  at: string,
): FieldError[] {
  const wrong: FieldError[] = []
  if (!key) wrong.push(fieldErrors.required(`${at}.key`))
  else wrong.push(...invalidEach(`${at}.key`, key, envVarName(key)))
  const volume = spec.volumes?.find(({ name }) => name === volumeName)
  if (!volumeName) wrong.push(fieldErrors.required(`${at}.volumeName`))
  else if (volume === undefined) wrong.push(fieldErrors.notFound(`${at}.volumeName`, volumeName))
  else if (!volume.emptyDir) {
    wrong.push(fieldErrors.invalid(`${at}.volumeName`, volumeName, 'referenced volume must be of type emptyDir'))
  }
  if (!path) wrong.push(fieldErrors.required(`${at}.path`))
  else if (path.startsWith('/')) wrong.push(fieldErrors.invalid(`${at}.path`, path, 'must be a relative path'))
  else if (path.split('/').includes('..')) wrong.push(fieldErrors.invalid(`${at}.path`, path, "must not contain '..'"))
  return wrong
}
