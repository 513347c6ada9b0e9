import { afterAll, beforeAll, expect, test } from 'vitest'
import { builtinResources } from '../kinds/builtin.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { echoNode } from './testing/echo-node.ts'
import { startFixture, type Fixture } from './testing/fixture.ts'
import { httpFor } from './testing/http.ts'

let fixture: Fixture
let http: ReturnType<typeof httpFor>
const pod = (name: string, nodeName: string) => ({
  metadata: { name },
  spec: { nodeName, containers: [{ name: 'c', image: 'x' }] },
})

beforeAll(async () => {
  fixture = await startFixture({
    definitions: builtinResources(loadBuiltinSchemas()),
    server: { nodeAccess: echoNode },
  })
  http = httpFor(fixture)
  await http('POST', '/api/v1/nodes', { body: { metadata: { name: 'echo' } } })
  await http('POST', '/api/v1/namespaces/default/pods', { body: pod('here', 'echo') })
  await http('POST', '/api/v1/namespaces/default/pods', { body: pod('there', 'other') })
})
afterAll(() => fixture.stop())

test.each(['echo', 'echo:10250', 'https:echo:10250'])('the kubelet of %s is answered for', async (name) => {
  const get = (path: string) => http('GET', `/api/v1/nodes/${name}/proxy/${path}`)
  expect((await get('healthz')).text).toBe('ok')
  expect((await get('stats/summary')).json().node.nodeName).toBe('echo')
  const { kind, items } = (await get('pods')).json()
  expect([kind, items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)]).toEqual([
    'PodList',
    ['here'],
  ])
  expect((await get('run/x')).code).toBe(404)
})

test('settings, metrics and logs are those of the node', async () => {
  const get = (path: string) => http('GET', `/api/v1/nodes/echo/proxy/${path}`)
  expect((await get('configz')).json().kubeletconfig).toMatchObject({ kind: 'KubeletConfiguration' })
  expect((await get('metrics')).text).toContain('kubelet_node_name{node="echo"} 1')
  expect((await get('metrics/resource')).text).toContain('resource_scrape_error 0')
  expect((await get('metrics/cadvisor')).code).toBe(200)
  expect((await get('runningpods/')).json().items).toEqual([])
  expect((await get('containerLogs/default/here/c?tailLines=2')).text).toBe('log of c\nsecond line\n')
  expect((await get('containerLogs/default/here/nosuch')).code).toBe(400)
  expect((await get('logs/')).headers['content-type']).toContain('text/html')
  expect((await get('logs/pods/x.log')).text).toBe('log pods/x.log')
  // A pod of another node is not its to tell of.
  expect((await get('containerLogs/default/there/c')).code).toBe(404)
})

test('a node that is not there has none', async () => {
  expect((await http('GET', '/api/v1/nodes/nosuch/proxy/healthz')).code).toBe(404)
})
