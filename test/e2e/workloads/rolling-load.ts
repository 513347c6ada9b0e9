import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Node } from '../../../src/api/kinds.ts'
import { images, isComplete, type Loose, type Workbench } from './fixture.ts'

const labels = { app: 'loaded' }
const port = 8080
/** A client's patience, and how often somebody asks. */
const timeoutMs = 5000
const everyMs = 10

/** Tells its version to whoever asks; goes on serving while the nodes learn that it is leaving. */
const server = (version: number): Loose => ({
  name: 'app',
  image: images[version - 1],
  command: ['sh', '-c', `echo v${version} > /www/index.html; exec httpd -f -p ${port} -h /www`],
  readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
  lifecycle: { preStop: { sleep: { seconds: 2 } } },
})

/** What became of the requests: how often each answer, or failure, came. */
type Answers = Map<string, number>

/** Asks by a new connection each time, at a constant rate, of the nodes in turn, until it is told to stop. */
function constantLoad(urls: readonly string[]): { stop(): Promise<Answers> } {
  const answers: Answers = new Map()
  const under = new Set<Promise<void>>()
  const ask = (url: string): Promise<string> =>
    new Promise((resolve) => {
      const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (part: string) => (body += part))
        response.on('end', () => resolve(`${response.statusCode} ${body.trim()}`))
        response.on('error', (error) => resolve(error.message))
      })
      request.on('timeout', () => request.destroy(new Error('no answer in time')))
      request.on('error', (error) => resolve(error.message))
    })
  let count = 0
  const asking = setInterval(() => {
    const work = ask(urls[count++ % urls.length]!).then((answer) => {
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      under.delete(work)
    })
    under.add(work)
  }, everyMs)
  return {
    async stop() {
      clearInterval(asking)
      await Promise.all(under)
      return answers
    },
  }
}

export const rollingLoad = (bench: () => Workbench) =>
  describe('[sig-apps] Deployment under load', () => {
    test('a rolling update under a constant load of requests loses none', async () => {
      const space = await bench().space()
      const template = (version: number): Loose => ({
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 4, containers: [server(version)] },
      })
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
      await space.create('deployments', {
        metadata: { name: 'loaded' },
        spec: { replicas: 3, strategy, selector: { matchLabels: labels }, template: template(1) },
      })
      const service = await space.create('services', {
        metadata: { name: 'loaded' },
        spec: { type: 'NodePort', selector: labels, ports: [{ port, targetPort: port }] },
      })
      await space.until('deployments', 'loaded', isComplete)
      const { items } = (await bench().api.ok('GET', '/api/v1/nodes')) as { items: Node[] }
      const urls = items.map(
        ({ status }) =>
          `http://${status!.addresses!.find(({ type }) => type === 'InternalIP')!.address}:${service.spec.ports[0].nodePort}/`,
      )
      // The rules of both nodes are there once each has answered.
      for (const url of urls)
        await expect.poll(() => fetch(url).then((one) => one.text(), String), { timeout: 20_000 }).toContain('v1')
      const load = constantLoad(urls)
      await sleep(500)
      await space.patch('deployments', 'loaded', { spec: { template: template(2) } })
      await space.until('deployments', 'loaded', isComplete)
      await sleep(500)
      const answers = await load.stop()
      expect([...answers.keys()].toSorted()).toEqual(['200 v1', '200 v2'])
      await space.remove()
    })
  })
