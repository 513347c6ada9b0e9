import type { DownwardAPIVolumeFile, Volume } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { relativePath, validateItems, validateMode } from './volume-paths.ts'

/** Fields that a file of a downward API volume may show. */
const fileFields = /^metadata\.(name|namespace|uid|labels|annotations)$|^metadata\.(labels|annotations)\['[^']+'\]$/

const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32

/** Downward API files, alone or projected together with other sources. */
export function validateProjected(
  { downwardAPI, projected }: Pick<Volume, 'downwardAPI' | 'projected'>,
  path: string,
): FieldError[] {
  const wrong = validateFiles(downwardAPI?.items, `${path}.downwardAPI.items`)
  if (!projected) return wrong
  wrong.push(...validateMode(projected.defaultMode, `${path}.projected.defaultMode`))
  const paths = new Set<string>()
  const claim = (target: string, at: string) => {
    if (paths.has(target)) wrong.push(fieldErrors.invalid(at, target, 'conflicting duplicate paths'))
    paths.add(target)
  }
  for (const [index, source] of (projected.sources ?? []).entries()) {
    const at = `${path}.projected.sources[${index}]`
    const given = Object.keys(source)
    if (given.length === 0) wrong.push(fieldErrors.required(at, 'source must be specified'))
    if (given.length > 1) wrong.push(fieldErrors.forbidden(at, 'may not specify more than 1 volume type'))
    const { secret, configMap, serviceAccountToken, clusterTrustBundle } = source
    if (secret) {
      if (!secret.name) wrong.push(fieldErrors.required(`${at}.secret.name`))
      wrong.push(...validateItems(secret.items, `${at}.secret.items`))
      for (const item of secret.items ?? []) claim(item.path, `${at}.secret.items`)
    }
    if (configMap) {
      if (!configMap.name) wrong.push(fieldErrors.required(`${at}.configMap.name`))
      wrong.push(...validateItems(configMap.items, `${at}.configMap.items`))
      for (const item of configMap.items ?? []) claim(item.path, `${at}.configMap.items`)
    }
    if (source.downwardAPI) {
      wrong.push(...validateFiles(source.downwardAPI.items, `${at}.downwardAPI.items`))
      for (const item of source.downwardAPI.items ?? []) claim(item.path, `${at}.downwardAPI.items`)
    }
    if (serviceAccountToken) {
      const { expirationSeconds = 3600, path: target } = serviceAccountToken
      const field = `${at}.serviceAccountToken`
      if (expirationSeconds < minTokenSeconds) {
        wrong.push(
          fieldErrors.invalid(
            `${field}.expirationSeconds`,
            expirationSeconds,
            'may not specify a duration less than 10 minutes',
          ),
        )
      }
      if (expirationSeconds > maxTokenSeconds) {
        wrong.push(
          fieldErrors.invalid(
            `${field}.expirationSeconds`,
            expirationSeconds,
            'may not specify a duration larger than 2^32 seconds',
          ),
        )
      }
      if (!target) wrong.push(fieldErrors.required(`${field}.path`))
      else wrong.push(...relativePath(target, `${field}.path`))
      claim(target ?? '', `${field}.path`)
    }
    if (clusterTrustBundle) {
      if (!clusterTrustBundle.path) wrong.push(fieldErrors.required(`${at}.clusterTrustBundle.path`))
      if (!clusterTrustBundle.name && !clusterTrustBundle.signerName) {
        wrong.push(fieldErrors.required(`${at}.clusterTrustBundle`, 'either name or signerName must be specified'))
      }
    }
  }
  return wrong
}

function validateFiles(items: readonly DownwardAPIVolumeFile[] | undefined, path: string): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, { path: target, fieldRef, resourceFieldRef, mode }] of (items ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!target) wrong.push(fieldErrors.required(`${at}.path`))
    else wrong.push(...relativePath(target, `${at}.path`))
    wrong.push(...validateMode(mode, `${at}.mode`))
    if (fieldRef && resourceFieldRef) {
      wrong.push(
        fieldErrors.invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
      )
    } else if (fieldRef) {
      if (!fieldRef.fieldPath) wrong.push(fieldErrors.required(`${at}.fieldRef.fieldPath`))
      else if (!fileFields.test(fieldRef.fieldPath)) {
        wrong.push(
          fieldErrors.notSupported(`${at}.fieldRef.fieldPath`, fieldRef.fieldPath, [
            'metadata.annotations',
            'metadata.labels',
            'metadata.name',
            'metadata.namespace',
            'metadata.uid',
          ]),
        )
      }
    } else if (resourceFieldRef) {
      if (!resourceFieldRef.containerName) wrong.push(fieldErrors.required(`${at}.resourceFieldRef.containerName`))
      if (!resourceFieldRef.resource) wrong.push(fieldErrors.required(`${at}.resourceFieldRef.resource`))
    } else wrong.push(fieldErrors.required(at, 'one of fieldRef and resourceFieldRef is required'))
  }
  return wrong
}
