import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { echoNode } from '../../src/apiserver/testing/echo-node.ts'
import { startFixture } from '../../src/apiserver/testing/fixture.ts'
import { builtinResources } from '../../src/kinds/builtin.ts'
import { loadBuiltinSchemas } from '../../src/schema/graph.ts'
import { controlPlane } from './control-plane.ts'
import { playDeployments } from './deployment-player.ts'

/** What the conformance suite runs against. */
export interface Cluster {
  /** Of the first node. */
  kubeconfig: string
  scratch: string
  stop(): Promise<void>
}

/** What STORMO_KUBECONFIG names: a kubeconfig for each node, as PATH names directories. */
export const givenKubeconfigs: readonly string[] = (process.env['STORMO_KUBECONFIG'] ?? '')
  .split(delimiter)
  .filter((path) => path !== '')

/**
 * The cluster of STORMO_KUBECONFIG, or without it a server of our own on a store in memory, with a stand-in for the
 * deployment controller.
 */
export async function openCluster(): Promise<Cluster> {
  const scratch = await mkdtemp(join(tmpdir(), 'stormo-conformance-'))
  const [given] = givenKubeconfigs
  if (given) return { kubeconfig: given, scratch, stop: () => rm(scratch, { recursive: true }) }
  const fixture = await startFixture({
    definitions: builtinResources(loadBuiltinSchemas()),
    server: { nodeAccess: echoNode },
    compose: controlPlane,
  })
  const stopPlaying = playDeployments(fixture)
  const kubeconfig = join(scratch, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(kubeconfigFor(fixture.url, fixture.tls.ca, fixture.token)))
  return {
    kubeconfig,
    scratch,
    async stop() {
      stopPlaying()
      await fixture.stop()
      await rm(scratch, { recursive: true })
    },
  }
}

function kubeconfigFor(server: string, ca: string, token: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'fixture', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'fixture', context: { cluster: 'fixture', user: 'admin' } }],
    'current-context': 'fixture',
  }
}
