import { describe, expect, test } from 'vitest'
import type { NetworkCluster } from './fixture.ts'
import { eventually } from './fixture.ts'

const base = '/api/v1/namespaces/default'
const methods = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']

/** What the API server passes on to pods and services. The cluster has `server-2`, and the Service `basic` before it. */
export function proxyBehaviours(cluster: () => NetworkCluster): void {
  describe('Proxy', () => {
    test('version v1 should proxy through a service and a pod', async () => {
      const { api, sh } = cluster()
      await sh('server-2', `echo '<a href="/rewriteme">test</a>' >/www/links.html`)
      for (const target of [
        'services/basic:http',
        'services/http:basic:http',
        'services/basic:80',
        'pods/server-2:8080',
        'pods/server-2',
      ]) {
        expect((await api('GET', `${base}/${target}/proxy/`)).text.trim()).toBe('server-2')
        const { text } = await api('GET', `${base}/${target}/proxy/links.html`)
        expect(text.trim()).toBe(`<a href="${base}/${target}/proxy/rewriteme">test</a>`)
      }
      expect((await api('GET', `${base}/services/basic:nothing/proxy/`)).code).toBe(503)
    })

    test('version v1 A set of valid responses are returned for both pod and service ProxyWithPath', async () => {
      await cluster().serveMethods('server-2')
      await cluster().apply({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'methods' },
        spec: { selector: { one: 'server-2' }, ports: [{ port: 80, targetPort: 8088 }] },
      })
      for (const target of ['pods/server-2:8088', 'services/methods']) {
        for (const method of methods) {
          const path = `/some/path/with/${method}`
          const answer = await eventually(`${method} ${target}`, async () => {
            const found = await cluster().api(method, `${base}/${target}/proxy${path}`)
            return found.code === 200 && found
          })
          if (method !== 'HEAD') expect(answer.json()).toEqual({ Method: method, Path: path })
        }
      }
    })

    test('version v1 A set of valid responses are returned for both pod and service Proxy', async () => {
      for (const target of ['pods/server-2:8088', 'services/methods']) {
        for (const method of methods) {
          const path = `${base}/${target}/proxy?method=${method}`
          const { code, location } = await cluster().api(method, path)
          const isRead = method === 'GET' || method === 'HEAD'
          expect([method, code]).toEqual([method, isRead ? 301 : 200])
          if (isRead) expect(location).toBe(path.replace('?', '/?'))
        }
      }
    })
  })
}
