import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Pod } from '../../../src/api/kinds.ts'
import { eventually, onNode, type Output, run, stormo, stormoOk } from '../../support/cluster.ts'

export interface NetworkCluster {
  /** Node names in order. */
  readonly nodes: readonly string[]
  kubectl(args: readonly string[], input?: string): Promise<Output>
  kubectlOk(args: readonly string[], input?: string): Promise<string>
  apply(...objects: object[]): Promise<void>
  get<T>(...args: string[]): Promise<T>
  /** Runs a shell line in a pod; stdout without the last line end, or `exit N`. */
  sh(pod: string, line: string): Promise<string>
  /** Starts a server in the pod's network that answers UDP at 9090 with the pod's name (busybox has none). */
  serveUdp(pod: string): Promise<void>
  /** What comes back of a UDP packet from the pod, or '' after a second. */
  askUdp(pod: string, host: string, port: number): Promise<string>
  /** Starts a server in the pod's network that answers any method at 8088 with the method, as JSON. */
  serveMethods(pod: string): Promise<void>
  addressOf(node: string): Promise<string>
  /** One request to the API server, as the administrator. */
  api(method: string, path: string, body?: object, type?: string): Promise<ApiAnswer>
  stop(): Promise<void>
}

export interface ApiAnswer {
  readonly code: number
  readonly location: string | undefined
  readonly text: string
  /** The body as JSON. */
  json<T>(): T
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

  const credentials = readCredentials(readFileSync(config, 'utf8'))

  const kubectl = (args: readonly string[], input?: string): Promise<Output> =>
    run('kubectl', args, { env: { KUBECONFIG: config }, input })
  async function kubectlOk(args: readonly string[], input?: string): Promise<string> {
    const output = await kubectl(args, input)
    if (output.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output.stderr}`)
    return output.stdout
  }
  /** A shell line of the machine, run in the pod's network. */
  async function inNetworkOf(pod: string, line: string): Promise<string> {
    const { spec, status } = JSON.parse(await kubectlOk(['get', 'pod', pod, '-o', 'json'])) as Pod
    const id = status!.containerStatuses![0]!.containerID!.replace('docker://', '')
    const enter = `nsenter --net=/proc/$(docker inspect -f '{{.State.Pid}}' ${id})/ns/net ${line}`
    return (await onNode(spec!.nodeName!, 'sh', '-c', enter)).stdout.trimEnd()
  }
  return {
    nodes,
    kubectl,
    kubectlOk,
    serveUdp: async (pod) =>
      void (await inNetworkOf(pod, `setsid -f python3 -c '${udpServer}' ${pod} </dev/null >/dev/null 2>&1`)),
    serveMethods: async (pod) =>
      void (await inNetworkOf(pod, `setsid -f python3 -c '${methodServer}' </dev/null >/dev/null 2>&1`)),
    api: (method, path, body, type) => callApi(credentials, { method, path, body, type }),
    askUdp: (pod, host, port) => inNetworkOf(pod, `python3 -c '${udpClient}' ${host} ${port}`),
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

interface Credentials {
  readonly server: string
  readonly cert: Buffer
  readonly key: Buffer
}

function readCredentials(kubeconfig: string): Credentials {
  const field = (name: string): string => new RegExp(`${name}: "?([^\\s"]+)`).exec(kubeconfig)?.[1] ?? ''
  return {
    server: field('server'),
    cert: Buffer.from(field('client-certificate-data'), 'base64'),
    key: Buffer.from(field('client-key-data'), 'base64'),
  }
}

async function callApi(
  { server, cert, key }: Credentials,
  { method, path, body, type }: { method: string; path: string; body?: object | undefined; type?: string | undefined },
): Promise<ApiAnswer> {
  const sent = request(`${server}${path}`, {
    method,
    cert,
    key,
    rejectUnauthorized: false,
    headers: body ? { 'content-type': type ?? 'application/json' } : {},
  })
  sent.end(body ? JSON.stringify(body) : undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const said = await text(response)
  return {
    code: response.statusCode ?? 0,
    location: response.headers.location,
    text: said,
    json: <T>() => JSON.parse(said) as T,
  }
}

/** A pod that answers with its own name by HTTP at 8080 and 8081; `serveUdp` makes it answer at 9090 too. */
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
httpd -p 8081 -h /www
exec httpd -f -p 8080 -h /www`

const udpServer = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 9090))
while True:
    s.sendto(sys.argv[1].encode(), s.recvfrom(99)[1])`

const methodServer = `import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def answer(self):
        body = json.dumps({"Method": self.command, "Path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer
ThreadingHTTPServer(("0.0.0.0", 8088), Handler).serve_forever()`

export const udpClient = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
print(s.recv(99).decode())`

export const service = (name: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec,
})

/** The body at a URL, as a pod gets it. Not by wget's own -T: in a static busybox it crashes. */
export const fetchLine = (url: string): string => `timeout 2 wget -qO- ${url} 2>/dev/null`

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
