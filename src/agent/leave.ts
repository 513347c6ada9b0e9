import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { exec } from '../lib/exec.ts'
import { loadIdentity } from '../pki/identity-directory.ts'
import { unmountBelow } from './reset.ts'
import { kubeconfigPath, paths } from './settings.ts'

/** Takes this machine out of its cluster: the cluster is told first, then the state goes. The agent must be stopped after. */
export async function leaveCluster(options: {
  dataDir: string
  configDir: string
  tell(node: string): Promise<void>
  exec: typeof exec
}): Promise<void> {
  const identity = await loadIdentity(paths(options.dataDir).identity)
  if (!identity)
    throw new Error(`this machine is no member of a cluster: there is no identity below ${options.dataDir}`)
  await options.tell(identity.node.nodeName)
  await unmountBelow(options, options.dataDir)
  // The directory itself may be a mount; what is in it goes.
  for (const entry of existsSync(options.dataDir) ? await readdir(options.dataDir) : [])
    await rm(join(options.dataDir, entry), { recursive: true, force: true })
  await rm(kubeconfigPath(options.configDir), { force: true })
}
