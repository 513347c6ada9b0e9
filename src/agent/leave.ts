import { rm } from 'node:fs/promises'
import { loadIdentity } from '../pki/identity-directory.ts'
import { loadMembership } from './membership-file.ts'
import { agentAnswers, removeAll, type ResetOptions } from './reset.ts'
import { paths } from './settings.ts'

/** How long the agent may take to see that its identity is gone, and to stop what it runs. */
const endDeadlineMs = 30_000
const endPollMs = 200

/**
 * Takes this machine out of its cluster. The cluster is told first; then the identity goes, at which the agent ends of
 * itself; then everything else that it made, as `reset` removes it. Throws when the agent does not end.
 */
export async function leaveCluster(
  options: ResetOptions & {
    tell(node: string): Promise<void>
    sleep(ms: number): Promise<void>
  },
): Promise<void> {
  const { dataDir, tell, clock, sleep, progress } = options
  const files = paths(dataDir)
  const identity = await loadIdentity(files.identity)
  if (!identity) throw new Error(`this machine is no member of a cluster: there is no identity below ${dataDir}`)
  const membership = await loadMembership(files.member).catch(() => undefined)
  progress('Telling the cluster…')
  await tell(identity.node.nodeName)
  await rm(files.identity, { recursive: true, force: true })
  progress('Waiting until the agent has ended…')
  const startMs = clock.monotonicMs()
  const stillRuns = async () => membership && (await agentAnswers(membership)) !== undefined
  while (await stillRuns()) {
    if (clock.monotonicMs() - startMs > endDeadlineMs)
      throw new Error(
        `the cluster has let this machine go, but its agent still runs: stop it, then 'stormo reset --yes' removes what is left`,
      )
    await sleep(endPollMs)
  }
  await removeAll(options)
}
