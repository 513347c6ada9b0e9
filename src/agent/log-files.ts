import { initCluster, type FirstMember } from '../decision/bootstrap.ts'
import type { Member } from '../decision/cluster-state.ts'
import { openLmdbLogStorage } from '../decision/lmdb-log-storage.ts'
import type { ClusterConfig } from './membership-file.ts'

/** Writes the first state of a new cluster's decision log: one member, the only voter. */
export async function initialiseLog(path: string, member: FirstMember, config: ClusterConfig): Promise<Member> {
  const storage = openLmdbLogStorage(path)
  try {
    return await initCluster(storage, member, { clusterCidr: config.podCidr, serviceCidr: config.serviceCidr })
  } finally {
    await storage.close()
  }
}
