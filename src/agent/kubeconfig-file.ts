import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stringify } from 'yaml'
import { systemClock, systemRandom } from '../lib/system.ts'
import { openAuthority } from '../pki/certificate-authority.ts'
import { issueClientCertificate } from '../pki/certificates.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import { writeFileAtomically } from '../pki/identity-directory.ts'
import { kubeconfigFor } from '../pki/kubeconfig.ts'

/** A kubeconfig of a cluster administrator against one API server, as YAML. A new certificate each time. */
export async function adminKubeconfig(secrets: ClusterSecrets, server: string): Promise<string> {
  const authority = await openAuthority(secrets.ca, systemRandom)
  const user = 'kubernetes-admin'
  const { certPem, keyPem } = await issueClientCertificate(
    authority,
    { user, groups: ['system:masters'] },
    systemClock.nowMs(),
  )
  return stringify(
    kubeconfigFor({ name: secrets.clusterName, server, caPem: secrets.ca.certPem, user, certPem, keyPem }),
  )
}

/** Writes it readable for its owner only: it holds a key to everything. */
export async function writeKubeconfig(path: string, secrets: ClusterSecrets, server: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomically(path, await adminKubeconfig(secrets, server))
}
