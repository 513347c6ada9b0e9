import type { Pod } from '../../api/kinds.ts'
import { normalizeScores, type ScorePlugin } from '../framework/framework.ts'

const controllerUid = (pod: Pod): string | undefined =>
  pod.metadata.ownerReferences?.find((reference) => reference.controller)?.uid

/**
 * Prefers nodes with fewer pods of the same controller: what upstream's cluster default constraints of
 * PodTopologySpread give to pods without constraints of their own (maxSkew 3 over hosts, 5 over zones).
 */
export const spread: ScorePlugin<string | undefined> = {
  name: 'PodTopologySpread',
  weight: 2,
  prepare: controllerUid,
  score(_pod, info, uid) {
    if (uid === undefined) return 0
    let count = 0
    for (const other of info.pods.values())
      if (!other.metadata.deletionTimestamp && controllerUid(other) === uid) count++
    return count
  },
  normalize: (scores) => normalizeScores(scores, true),
}
