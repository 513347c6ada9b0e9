import type { Volume } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { parseQuantity, quantityError } from '../../../lib/quantity.ts'
import { dns1123Label, dns1123Subdomain } from '../../meta/names.ts'
import { invalidEach, oneOf } from '../../meta/validate.ts'
import { validateProjected } from './validate-projected.ts'
import { noBacksteps, validateItems, validateMode } from './volume-paths.ts'

/** Errors of the volumes, and the names that mounts may use. */
export function validateVolumes(
  volumes: readonly Volume[] | undefined,
  path: string,
): { names: Set<string>; errors: FieldError[] } {
  const names = new Set<string>()
  const errors: FieldError[] = []
  for (const [index, volume] of (volumes ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!volume.name) errors.push(fieldErrors.required(`${at}.name`))
    else {
      errors.push(...invalidEach(`${at}.name`, volume.name, dns1123Label(volume.name)))
      if (names.has(volume.name)) errors.push(fieldErrors.duplicate(`${at}.name`, volume.name))
      names.add(volume.name)
    }
    errors.push(...validateSource(volume, at))
  }
  return { names, errors }
}

function validateSource(volume: Volume, path: string): FieldError[] {
  const sources = Object.entries(volume).filter(([key, value]) => key !== 'name' && value !== undefined)
  if (sources.length === 0) return [fieldErrors.required(path, 'must specify a volume type')]
  const wrong = sources
    .slice(1)
    .map(([source]) => fieldErrors.forbidden(`${path}.${source}`, 'may not specify more than 1 volume type'))
  const require = (source: string, value: { [field: string]: unknown } | undefined, ...fields: string[]) => {
    if (!value) return
    for (const field of fields) if (!value[field]) wrong.push(fieldErrors.required(`${path}.${source}.${field}`))
  }
  const {
    hostPath,
    emptyDir,
    secret,
    configMap,
    downwardAPI,
    projected,
    nfs,
    persistentVolumeClaim,
    csi,
    ephemeral,
    image,
  } = volume
  if (hostPath) {
    require('hostPath', { ...hostPath }, 'path')
    wrong.push(
      ...noBacksteps(hostPath.path ?? '', `${path}.hostPath.path`),
      ...oneOf(`${path}.hostPath.type`, hostPath.type, hostPathTypes, false),
    )
  }
  if (emptyDir?.sizeLimit !== undefined && isNegative(emptyDir.sizeLimit)) {
    wrong.push(fieldErrors.forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  }
  if (secret) {
    require('secret', { ...secret }, 'secretName')
    wrong.push(
      ...validateMode(secret.defaultMode, `${path}.secret.defaultMode`),
      ...validateItems(secret.items, `${path}.secret.items`),
    )
  }
  if (configMap) {
    require('configMap', { ...configMap }, 'name')
    wrong.push(
      ...validateMode(configMap.defaultMode, `${path}.configMap.defaultMode`),
      ...validateItems(configMap.items, `${path}.configMap.items`),
    )
  }
  if (downwardAPI) wrong.push(...validateMode(downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`))
  if (projected) wrong.push(...validateProjected({ downwardAPI, projected }, path))
  else if (downwardAPI) wrong.push(...validateProjected({ downwardAPI }, path))
  if (nfs) {
    require('nfs', { ...nfs }, 'server', 'path')
    if (nfs.path && !nfs.path.startsWith('/'))
      wrong.push(fieldErrors.invalid(`${path}.nfs.path`, nfs.path, 'must be an absolute path'))
  }
  require('persistentVolumeClaim', persistentVolumeClaim && { ...persistentVolumeClaim }, 'claimName')
  if (csi) {
    require('csi', { ...csi }, 'driver')
    if (csi.driver)
      wrong.push(...invalidEach(`${path}.csi.driver`, csi.driver, dns1123Subdomain(csi.driver.toLowerCase())))
  }
  if (ephemeral && !ephemeral.volumeClaimTemplate)
    wrong.push(fieldErrors.required(`${path}.ephemeral.volumeClaimTemplate`))
  if (image) {
    require('image', { ...image }, 'reference')
    wrong.push(...oneOf(`${path}.image.pullPolicy`, image.pullPolicy, ['Always', 'IfNotPresent', 'Never'], false))
  }
  require('iscsi', volume.iscsi && { ...volume.iscsi }, 'targetPortal', 'iqn')
  require('gcePersistentDisk', volume.gcePersistentDisk && { ...volume.gcePersistentDisk }, 'pdName')
  require('awsElasticBlockStore', volume.awsElasticBlockStore && { ...volume.awsElasticBlockStore }, 'volumeID')
  require('gitRepo', volume.gitRepo && { ...volume.gitRepo }, 'repository')
  require('glusterfs', volume.glusterfs && { ...volume.glusterfs }, 'endpoints', 'path')
  require('cinder', volume.cinder && { ...volume.cinder }, 'volumeID')
  require('cephfs', volume.cephfs && { ...volume.cephfs }, 'monitors')
  require('rbd', volume.rbd && { ...volume.rbd }, 'monitors', 'image')
  require('azureFile', volume.azureFile && { ...volume.azureFile }, 'secretName', 'shareName')
  require('azureDisk', volume.azureDisk && { ...volume.azureDisk }, 'diskName', 'diskURI')
  return wrong
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

const isNegative = (quantity: string | number) =>
  quantityError(quantity) !== undefined || parseQuantity(quantity).nano < 0n
