import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { GroupResource, KubeObject } from '../../../src/api/object.ts'
import { refs } from '../../../src/client/client.ts'
import { exec, execOk, type ExecResult } from '../../../src/lib/exec.ts'
import { encryptedDeviceOf } from '../../../src/network/pod-network/node-routes.ts'
import type { AgentCall, AgentSettings } from './node-agent.ts'

/** Debian's packages wireguard-go and wireguard-tools; a kernel that knows such links needs only the second. */
export const canEncrypt = spawnSync('sh', ['-c', 'command -v wg && command -v wireguard-go']).status === 0

/** Unlike any local cluster's, so that both may run on one machine. */
const prefix = `stonet${process.pid}`
const nodeBinary = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url))
const agentScript = fileURLToPath(new URL('./node-agent.ts', import.meta.url))

export interface Pod {
  readonly uid: string
  readonly ip: string
  /** What runs a program in its network: put before it. */
  readonly enter: readonly string[]
  run(command: string, ...args: string[]): Promise<ExecResult>
}

export interface TestNode {
  readonly name: string
  readonly ip: string
  readonly enter: readonly string[]
  call<T>(call: AgentCall): Promise<T>
  run(command: string, ...args: string[]): Promise<ExecResult>
  /** A sandbox with the network attached and a web server on 8080 that says the pod's name and its client's address. */
  startPod(uid: string): Promise<Pod>
  /** Ends the agent without a word, and starts a new one that has been told the same objects. */
  restartAgent(): Promise<void>
}

export interface Lab {
  readonly nodes: readonly TestNode[]
  /** A machine on the nodes' network that is no node. */
  outside(command: string, ...args: string[]): Promise<ExecResult>
  readonly outsideIp: string
  put(ref: GroupResource, object: KubeObject): Promise<void>
  /** Tells every node of all of them. */
  introduceNodes(): Promise<void>
  remove(ref: GroupResource, namespace: string, name: string): Promise<void>
  stop(): Promise<void>
}

/**
 * A switch with `count` nodes on it, each in a network namespace of its own, with the network running. With `wireguard`
 * the first node does not trust its link.
 */
export async function startLab(count: number, backend: 'host-gw' | 'vxlan' | 'wireguard'): Promise<Lab> {
  const children = new Set<ChildProcess>()
  const directory = await mkdtemp(join(tmpdir(), 'stormo-network-'))
  const hub = `${prefix}hub`
  const namespaces = [hub]
  const ip = (...args: string[]) => execOk('ip', args)
  const inside =
    (namespace: string) =>
    (command: string, ...args: string[]) =>
      exec('nsenter', [`--net=/run/netns/${namespace}`, command, ...args], { timeoutMs: 20_000 })
  const start = (command: string, args: string[], ipc = false): ChildProcess => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', ...(ipc ? ['ipc' as const] : [])] })
    children.add(child)
    child.on('exit', () => children.delete(child))
    return child
  }

  await ip('netns', 'add', hub)
  await ip('-n', hub, 'link', 'add', 'hub', 'type', 'bridge')
  await ip('-n', hub, 'addr', 'add', '10.200.0.254/24', 'dev', 'hub')
  await ip('-n', hub, 'link', 'set', 'hub', 'up')
  const told: AgentCall[] = []

  async function makeNode(index: number): Promise<TestNode> {
    const name = `${prefix}n${index}`
    const address = `10.200.0.${index}`
    namespaces.push(name)
    await ip('netns', 'add', name)
    await ip('-n', hub, 'link', 'add', `port${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    await ip('-n', hub, 'link', 'set', `port${index}`, 'master', 'hub', 'up')
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    await ip('-n', name, 'link', 'set', 'eth0', 'up')
    await ip('-n', name, 'link', 'set', 'lo', 'up')
    const settings: AgentSettings = {
      nodeName: name,
      nodeIp: address,
      podCidr: `10.244.${index}.0/24`,
      ipv6: {
        podCidr: `fd00:10:244:${index}::/64`,
        clusterCidr: 'fd00:10:244::/56',
        serviceCidr: 'fd00:10:96::/112',
        dnsIp: 'fd00:10:96::a',
      },
      keyFile: join(directory, `${name}.key`),
      ...(backend === 'wireguard' ? { isLinkUntrusted: index === 1 } : { backend }),
    }
    let agent = startAgent(name, start)
    await agent.call({ method: 'start', settings })
    const run = inside(name)

    return {
      name,
      ip: address,
      enter: ['nsenter', `--net=/run/netns/${name}`],
      call: (call) => agent.call(call),
      run,
      async startPod(uid) {
        const sandbox = start('unshare', ['--net', 'sleep', '600'])
        const pid = sandbox.pid ?? 0
        await until(
          async () =>
            (await exec('readlink', [`/proc/${pid}/ns/net`])).stdout !==
            (await exec('readlink', ['/proc/self/ns/net'])).stdout,
        )
        const { ip: podIp } = await agent.call<{ ip: string }>({ method: 'attach', podUid: uid, pid })
        const script = join(directory, `${uid}.py`)
        await writeFile(script, webServer(uid))
        start('nsenter', [`--net=/proc/${pid}/ns/net`, 'python3', script])
        const enter = ['nsenter', `--net=/proc/${pid}/ns/net`]
        const inPod = (command: string, ...args: string[]) =>
          exec('nsenter', [`--net=/proc/${pid}/ns/net`, command, ...args], { timeoutMs: 20_000 })
        await until(async () => (await inPod('curl', '-sm1', 'http://127.0.0.1:8080')).code === 0)
        return { uid, ip: podIp, enter, run: inPod }
      },
      async restartAgent() {
        agent.child.kill('SIGKILL')
        agent = startAgent(name, start)
        for (const call of told) await agent.call(call)
        await agent.call({ method: 'start', settings })
      },
    }
  }

  const nodes: TestNode[] = []
  for (let index = 1; index <= count; index++) nodes.push(await makeNode(index))

  async function tell(call: AgentCall): Promise<void> {
    told.push(call)
    await Promise.all(nodes.map((node) => node.call(call)))
    await Promise.all(nodes.map((node) => node.call({ method: 'flush' })))
  }
  const put = (ref: GroupResource, object: KubeObject): Promise<void> => tell({ method: 'put', ref, object })
  return {
    nodes,
    outside: inside(hub),
    outsideIp: '10.200.0.254',
    put,
    async introduceNodes() {
      for (const [index, node] of nodes.entries()) {
        await put(refs.nodes, {
          apiVersion: 'v1',
          kind: 'Node',
          metadata: {
            name: node.name,
            annotations: await node.call<Record<string, string>>({ method: 'annotations' }),
          },
          spec: { podCIDRs: [`10.244.${index + 1}.0/24`, `fd00:10:244:${index + 1}::/64`] },
          status: { addresses: [{ type: 'InternalIP', address: node.ip }] },
        } as never)
      }
    },
    remove: (ref, namespace, name) => tell({ method: 'remove', ref, namespace, name }),
    async stop() {
      for (const child of children) child.kill('SIGKILL')
      for (const namespace of namespaces) {
        // What encrypts in user space outlives the agent, and ends with its link.
        await exec('ip', ['-n', namespace, 'link', 'del', encryptedDeviceOf('stormo0')])
        await exec('ip', ['netns', 'del', namespace])
      }
    },
  }
}

function startAgent(namespace: string, start: (command: string, args: string[], ipc: boolean) => ChildProcess) {
  // As machines have them, each has its own directory of wireguard-go's sockets.
  const script = 'mkdir -p /run/wireguard && mount -t tmpfs tmpfs /run/wireguard && exec "$@"'
  const enter = [`--net=/run/netns/${namespace}`, 'unshare', '--mount', 'sh', '-c', script, 'sh']
  const child = start('nsenter', [...enter, nodeBinary, agentScript], true)
  const waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>()
  let nextId = 0
  child.on('message', ({ id, value, error }: { id: number; value?: never; error?: string }) => {
    if (error === undefined) waiting.get(id)?.resolve(value as never)
    else waiting.get(id)?.reject(new Error(error))
    waiting.delete(id)
  })
  return {
    child,
    call<T>(call: AgentCall): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const id = nextId++
        waiting.set(id, { resolve, reject })
        child.send({ id, call })
      })
    },
  }
}

/** TCP and UDP on 8080: answers with the pod's name and the client's address as the pod sees it. */
const webServer = (uid: string): string => `
import socket, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("${uid} " + self.client_address[0].removeprefix("::ffff:")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 8080))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(("${uid} " + peer[0]).encode(), peer)
threading.Thread(target=udp, daemon=True).start()
class Server(ThreadingHTTPServer): address_family = socket.AF_INET6
Server(("::", 8080), Handler).serve_forever()
`

export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (await condition()) return
    await sleep(50)
  }
  throw new Error('the condition did not come true')
}
