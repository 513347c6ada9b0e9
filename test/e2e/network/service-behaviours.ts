import { describe, expect, test } from 'vitest'
import type { Service } from '../../../src/api/kinds.ts'
import { onNode } from '../../support/cluster.ts'
import { eventually, fetchLine, service, tally, type NetworkCluster } from './fixture.ts'

const core = '/api/v1/namespaces/default'
const merge = 'application/merge-patch+json'
const ports = [{ name: 'http', port: 80, targetPort: 8080 }]

/** What sig-network asks of Services beyond the list; the cluster has `server-1` to `server-3`, each on its node. */
export function serviceBehaviours(cluster: () => NetworkCluster): void {
  const make = async (name: string, spec: object): Promise<Service> => {
    const { code, text, json } = await cluster().api('POST', `${core}/services`, service(name, spec))
    expect([code, text]).toEqual([201, expect.anything()])
    return json<Service>()
  }
  const remove = (name: string) => cluster().api('DELETE', `${core}/services/${name}`)
  const answers = (pod: string, url: string, fits: RegExp): Promise<string> =>
    eventually(`${pod}: ${url}`, async () => {
      const answer = await cluster().sh(pod, fetchLine(url))
      return fits.test(answer) && answer
    })

  describe('Services', () => {
    test('should prevent NodePort collisions, and release NodePorts on delete', async () => {
      const { spec } = await make('first', { type: 'NodePort', ports })
      const nodePort = spec!.ports![0]!.nodePort!
      const wanted = { type: 'NodePort', ports: [{ port: 80, nodePort }] }
      const refused = await cluster().api('POST', `${core}/services`, service('second', wanted))
      expect([refused.code, refused.text]).toEqual([422, expect.stringMatching(/port is already allocated/)])
      const low = { type: 'NodePort', ports: [{ port: 80, nodePort: 29_999 }] }
      const outside = await cluster().api('POST', `${core}/services`, service('third', low))
      expect([outside.code, outside.text]).toEqual([
        422,
        expect.stringMatching(/29999.*port is not in the valid range/),
      ])
      await remove('first')
      await make('second', wanted)
      await remove('second')
    })

    test.each(['NodePort', 'LoadBalancer'])(
      'should keep addresses when %s becomes ClusterIP, and free node ports',
      async (type) => {
        const { spec } = await make('turning', {
          type,
          ports,
          loadBalancerClass: type === 'NodePort' ? undefined : 'example.com/none',
        })
        const nodePort = spec!.ports![0]!.nodePort!
        const patched = await cluster().api('PATCH', `${core}/services/turning`, { spec: { type: 'ClusterIP' } }, merge)
        expect(patched.json<Service>().spec).toMatchObject({ clusterIP: spec!.clusterIP })
        expect(patched.json<Service>().spec!.ports![0]).not.toHaveProperty('nodePort')
        await make('heir', { type: 'NodePort', ports: [{ port: 80, nodePort }] })
        await remove('heir')
        await remove('turning')
      },
    )

    test('should implement service.kubernetes.io/service-proxy-name and service.kubernetes.io/headless', async () => {
      await make('labelled', { selector: { one: 'server-2' }, ports })
      await answers('server-1', 'http://labelled/', /^server-2$/)
      for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']) {
        const set = (value: string | null) =>
          cluster().api('PATCH', `${core}/services/labelled`, { metadata: { labels: { [label]: value } } }, merge)
        await set('other')
        await answers('server-1', 'http://labelled/', /^exit/)
        await set(null)
        await answers('server-1', 'http://labelled/', /^server-2$/)
      }
      await remove('labelled')
    })

    test('should respect internalTrafficPolicy=Local Pod to Pod', async () => {
      await make('here', { internalTrafficPolicy: 'Local', selector: { one: 'server-2' }, ports })
      await answers('server-2', 'http://here/', /^server-2$/)
      expect(await cluster().sh('server-1', fetchLine('http://here/'))).toMatch(/^exit/)
      await remove('here')
    })

    test('should serve endpoints of several custom EndpointSlices', async () => {
      await make('by-hand', { ports: [{ name: 'http', port: 80 }] })
      for (const [index, port] of [8080, 8081].entries()) {
        const { status } = await cluster().get<{ status: { podIP: string } }>('pod', `server-${index + 1}`)
        const slice = {
          metadata: { name: `by-hand-${index}`, labels: { 'kubernetes.io/service-name': 'by-hand' } },
          addressType: 'IPv4',
          ports: [{ name: 'http', port, protocol: 'TCP' }],
          endpoints: [{ addresses: [status.podIP] }],
        }
        await cluster().api('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)
      }
      await eventually('both slices', async () => {
        const found = await tally(cluster(), 'server-3', fetchLine('http://by-hand/'), 12)
        return found.has('server-1') && found.has('server-2')
      })
      await remove('by-hand')
    })

    test('session affinity holds for clients of the host network too', async () => {
      const { spec } = await make('loyal', { sessionAffinity: 'ClientIP', selector: { app: 'server' }, ports })
      const ask = async () =>
        (await onNode(cluster().nodes[0]!, 'curl', '-s', '-m3', `http://${spec!.clusterIP}/`)).stdout.trim()
      const first = await eventually('an answer', async () => {
        const answer = await ask()
        return answer.startsWith('server-') && answer
      })
      for (let turn = 0; turn < 8; turn++) expect(await ask()).toBe(first)
      await remove('loyal')
    })
  })
}
