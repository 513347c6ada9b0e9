import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, type Output, run, stormo, stormoOk } from '../../support/cluster.ts'

export interface NetworkCluster {
  /** Node names in order. */
  readonly nodes: readonly string[]
  kubectl(args: readonly string[], input?: string): Promise<Output>
  kubectlOk(args: readonly string[], input?: string): Promise<string>
  apply(...objects: object[]): Promise<void>
  get<T>(...args: string[]): Promise<T>
  /** Runs a shell line in a pod; stdout without the last line end, or `exit N`. */
  sh(pod: string, line: string): Promise<string>
  addressOf(node: string): Promise<string>
  stop(): Promise<void>
}

const repository = fileURLToPath(new URL('../../..', import.meta.url))

/** Three machines with the image of the examples: Debian's busybox and nothing else. */
export async function startNetworkCluster(name: string): Promise<NetworkCluster> {
  const work = mkdtempSync(join(tmpdir(), 'stormo-network-'))
  const nodes = [1, 2, 3].map((index) => `${name}-${index}`)
  await stormo('cluster', 'down', '--name', name)
  await stormoOk('cluster', 'up', '--nodes', '3', '--name', name)
  const config = join(work, 'kubeconfig')
  writeFileSync(config, await stormoOk('cluster', 'kubeconfig', '--name', name))
  const image = join(work, 'hello.tar')
  await run(join(repository, 'examples/hello/build-image.sh'), [image])
  await stormoOk('image', 'load', image, '--name', name)

  const kubectl = (args: readonly string[], input?: string): Promise<Output> =>
    run('kubectl', args, { env: { KUBECONFIG: config }, input })
  async function kubectlOk(args: readonly string[], input?: string): Promise<string> {
    const output = await kubectl(args, input)
    if (output.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output.stderr}`)
    return output.stdout
  }
  return {
    nodes,
    kubectl,
    kubectlOk,
    async apply(...objects) {
      await kubectlOk(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    },
    get: async <T>(...args: string[]) => JSON.parse(await kubectlOk(['get', ...args, '-o', 'json'])) as T,
    async sh(pod, line) {
      const { code, stdout } = await kubectl(['exec', pod, '--', 'sh', '-c', line])
      return code === 0 ? stdout.trimEnd() : `exit ${code}`
    },
    async addressOf(node) {
      const path = 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}'
      return await kubectlOk(['get', 'node', node, '-o', path])
    },
    async stop() {
      await stormo('cluster', 'down', '--name', name)
      rmSync(work, { recursive: true, force: true })
    },
  }
}

/** A pod that answers with its own name: HTTP at 8080 and 8081, UDP at 9090. */
export const serverPod = (
  name: string,
  nodeName: string,
  labels: Record<string, string>,
  spec: object = {},
): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: {
    nodeName,
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'web',
        image: 'stormo-hello:1',
        command: ['sh', '-c', serverScript],
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'udp', containerPort: 9090, protocol: 'UDP' },
        ],
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      },
    ],
    ...spec,
  },
})

const serverScript = `mkdir -p /www
hostname | cut -d. -f1 >/www/index.html
httpd -p 8080 -h /www
httpd -p 8081 -h /www
udpsvd 0.0.0.0 9090 cat /www/index.html`

export const service = (name: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec,
})

/** The body at a URL, as a pod gets it. */
export const fetchLine = (url: string, header = ''): string =>
  `wget -qO- -T 2 ${header === '' ? '' : `--header '${header}' `}${url} 2>/dev/null`

/** Asks a number of times, and returns how often each answer came. */
export async function tally(
  cluster: NetworkCluster,
  pod: string,
  line: string,
  times: number,
): Promise<Map<string, number>> {
  const answers = (await cluster.sh(pod, `for i in $(seq ${times}); do ${line} || echo none; done`)).split('\n')
  return new Map([...Map.groupBy(answers, (one) => one)].map(([answer, list]) => [answer, list.length]))
}

export { eventually }
