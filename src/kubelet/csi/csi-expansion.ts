import type { PersistentVolume, PersistentVolumeClaim } from '../../api/kinds.ts'
import { parseQuantity, quantityValue } from '../../lib/quantity.ts'

/** Bytes to which the file system is to grow; undefined when the claim has all that its volume has. Pure. */
export function wantedExpansion(claim: PersistentVolumeClaim, persistent: PersistentVolume): number | undefined {
  const has = claim.status?.capacity?.['storage']
  const capacity = persistent.spec?.capacity?.['storage']
  if (has === undefined || capacity === undefined) return undefined
  return parseQuantity(capacity).nano > parseQuantity(has).nano ? quantityValue(capacity) : undefined
}

/** The claim once its file system has grown: nothing is pending any more (KEP-531). Pure. */
export function expandedClaim(claim: PersistentVolumeClaim, persistent: PersistentVolume): PersistentVolumeClaim {
  const { allocatedResourceStatuses: _over, conditions = [], ...status } = claim.status ?? {}
  const pending = ['FileSystemResizePending', 'Resizing', 'NodeResizeError']
  return {
    ...claim,
    status: {
      ...status,
      capacity: { ...status.capacity, storage: persistent.spec?.capacity?.['storage'] ?? '0' },
      conditions: conditions.filter(({ type }) => !pending.includes(type)),
    },
  }
}
