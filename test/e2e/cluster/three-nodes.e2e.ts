import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exerciseClientNode } from './client-node.ts'
import { changes, files, views } from './parity/lines.ts'
import { namespaces, prepareSides, sayBoth } from './parity/compare.ts'
import { eventually, onNode, type Output, run, stormo, stormoOk, untilLine } from '../../support/cluster.ts'

/**
 * The main job from end to end: three machines, one cluster, the real kubectl against each, a machine that dies, a cable
 * that is pulled, and everything gone afterwards.
 */
const name = 'e2e'
const nodes = ['e2e-1', 'e2e-2', 'e2e-3'] as const
const root = fileURLToPath(new URL('../../..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'stormo-e2e-'))
const kubeconfig = (node: string): string => join(work, node)
const kubectl = (node: string, ...args: string[]): Promise<Output> =>
  run('kubectl', args, { env: { KUBECONFIG: kubeconfig(node) } })

async function kubectlOk(node: string, ...args: string[]): Promise<string> {
  const output = await kubectl(node, ...args)
  expect(output.code, `kubectl ${args.join(' ')} on ${node}: ${output.stderr}`).toBe(0)
  return output.stdout
}

interface PodJson {
  metadata: { name: string; deletionTimestamp?: string }
  spec: { nodeName?: string }
  status: { podIP?: string; conditions?: { type: string; status: string }[] }
}

async function helloPods(node: string): Promise<PodJson[]> {
  return (JSON.parse(await kubectlOk(node, 'get', 'pods', '-l', 'app=hello', '-o', 'json')) as { items: PodJson[] })
    .items
}

const isReady = (pod: PodJson): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status.conditions ?? []).some((one) => one.type === 'Ready' && one.status === 'True')

const addresses = new Map<string, string>()

async function page(node: string): Promise<string> {
  const output = await run('curl', ['-s', '-m', '3', `http://${addresses.get(node)}:30080/`])
  return output.stdout
}

async function status(
  node: string,
): Promise<{ leader: string | null; term: number; nodes: { name: string; ready: boolean; voter: boolean }[] }> {
  return JSON.parse(await stormoOk('cluster', 'status', '--name', name, '--node', node, '-o', 'json')) as Awaited<
    ReturnType<typeof status>
  >
}

beforeAll(async () => {
  await stormo('cluster', 'down', '--name', name)
  await stormoOk('cluster', 'up', '--nodes', '3', '--name', name)
  for (const node of nodes)
    writeFileSync(kubeconfig(node), await stormoOk('cluster', 'kubeconfig', '--name', name, '--node', node))
  const image = join(work, 'hello.tar')
  expect((await run(join(root, 'examples/hello/build-image.sh'), [image])).code).toBe(0)
  await stormoOk('image', 'load', image, '--name', name)
  for (const node of nodes) {
    const found = JSON.parse(await kubectlOk(node, 'get', 'node', node, '-o', 'json')) as {
      status: { addresses: { type: string; address: string }[] }
    }
    addresses.set(node, found.status.addresses.find((one) => one.type === 'InternalIP')!.address)
  }
})

afterAll(async () => {
  await stormo('cluster', 'down', '--name', name)
  rmSync(work, { recursive: true, force: true })
})

describe('three machines', () => {
  it('are Ready and voters, as every node sees it', async () => {
    for (const node of nodes) {
      const seen = await status(node)
      expect(nodes).toContain(seen.leader)
      expect(seen.nodes.map((one) => [one.name, one.ready, one.voter])).toEqual(nodes.map((one) => [one, true, true]))
    }
  })

  it.each(nodes)(
    'serve the real kubectl on %s: apply, get, describe, scale, rollout, logs, exec, delete',
    async (node) => {
      const manifests = join(root, 'examples/hello')
      expect(await kubectlOk(node, 'apply', '-f', manifests)).toMatch(/deployment.apps\/hello created/)
      expect(await kubectlOk(node, 'rollout', 'status', 'deployment/hello', '--timeout=60s')).toMatch(
        /successfully rolled out/,
      )
      expect(await kubectlOk(node, 'apply', '-f', manifests)).toMatch(/deployment.apps\/hello unchanged/)
      expect(await kubectlOk(node, 'get', 'pods', '-o', 'wide')).toMatch(/NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/)
      expect(await kubectlOk(node, 'get', 'deployment', 'hello', '-o', 'yaml')).toMatch(/replicas: 3/)
      expect(await kubectlOk(node, 'describe', 'deployment', 'hello')).toMatch(/ScalingReplicaSet/)
      const watched = untilLine(
        'kubectl',
        ['get', 'deployment', 'hello', '-w'],
        /4\/4/,
        { KUBECONFIG: kubeconfig(node) },
        30_000,
      )
      expect(await kubectlOk(node, 'scale', 'deployment/hello', '--replicas=4')).toMatch(/scaled/)
      await watched
      await kubectlOk(node, 'scale', 'deployment/hello', '--replicas=3')

      await kubectlOk(node, 'set', 'env', 'deployment/hello', `VERSION=${node}`)
      await kubectlOk(node, 'rollout', 'status', 'deployment/hello', '--timeout=60s')
      expect(await kubectlOk(node, 'rollout', 'history', 'deployment/hello')).toMatch(/^1 .*\n2 /m)
      await kubectlOk(node, 'rollout', 'undo', 'deployment/hello')
      expect(await kubectlOk(node, 'rollout', 'status', 'deployment/hello', '--timeout=60s')).toMatch(
        /successfully rolled out/,
      )
      expect(await kubectlOk(node, 'get', 'deployment', 'hello', '-o', 'yaml')).not.toMatch(`value: ${node}`)

      const pods = (await helloPods(node)).filter(isReady)
      for (const pod of pods) {
        expect(await kubectlOk(node, 'exec', pod.metadata.name, '--', 'sh', '-c', 'echo $POD_NAME; id -u')).toBe(
          `${pod.metadata.name}\n0\n`,
        )
        expect((await kubectl(node, 'exec', pod.metadata.name, '--', 'sh', '-c', 'exit 7')).code).toBe(7)
      }
      await kubectlOk(
        node,
        'run',
        'talker',
        '--image=stormo-hello:1',
        '--restart=Never',
        '--',
        'sh',
        '-c',
        'for i in 1 2 3; do echo line $i; sleep 0.3; done',
      )
      await kubectlOk(node, 'wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/talker', '--timeout=30s')
      expect(await kubectlOk(node, 'logs', '-f', 'talker')).toBe('line 1\nline 2\nline 3\n')
      await kubectlOk(node, 'delete', 'pod', 'talker', '--timeout=30s')

      await exerciseClientNode(kubeconfig(node), `client-${node}`)

      // The page: by NodePort of every node, by ClusterIP and by name from a pod on every node.
      for (const other of nodes)
        await eventually(`NodePort of ${other}`, async () => /Hello from hello-/.test(await page(other)), 10_000)
      const clusterIp = (await kubectlOk(node, 'get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}')).trim()
      for (const pod of (await helloPods(node)).filter(isReady)) {
        for (const host of [clusterIp, 'hello', 'hello.default', 'hello.default.svc.cluster.local']) {
          const fetch = `timeout 5 wget -qO- http://${host}/`
          expect(
            await eventually(
              `${host} from ${pod.spec.nodeName}`,
              async () => (await kubectl(node, 'exec', pod.metadata.name, '--', 'sh', '-c', fetch)).stdout || undefined,
              15_000,
            ),
          ).toMatch(/Hello from/)
        }
      }
      expect(await kubectlOk(node, 'delete', '-f', manifests, '--timeout=60s')).toMatch(/deleted/)
      await eventually('no pods left', async () => (await helloPods(node)).length === 0)
    },
  )

  it('hear of our command line what they hear of kubectl', { timeout: 300_000 }, async () => {
    prepareSides(work, kubeconfig(nodes[0]), files)
    const differing: Record<string, unknown> = {}
    const compare = async (line: string): Promise<void> => {
      const [theirs, ours] = await sayBoth(work, line)
      if (!isDeepStrictEqual(theirs, ours)) differing[line] = { theirs, ours }
    }
    // Each line costs two processes: unless all is asked for, every sixth of those that change nothing is a sample.
    const asked = process.env['STORMO_TEST_ALL'] ? views : views.filter((_, at) => at % 6 === 0)
    try {
      for (const line of changes) await compare(line)
      for (let at = 0; at < asked.length; at += 2) await Promise.all(asked.slice(at, at + 2).map(compare))
    } finally {
      await kubectlOk(nodes[0], 'delete', 'namespace', ...namespaces, '--ignore-not-found', '--timeout=60s')
    }
    expect(differing).toEqual({})
  })

  it('go on when the leader dies: new leader, replacement pods, service answers', async () => {
    await stormoOk('apply', '--kubeconfig', kubeconfig(nodes[0]), '-f', join(root, 'examples/hello'))
    await stormoOk('rollout', 'status', 'deployment/hello', '--kubeconfig', kubeconfig(nodes[0]), '--timeout', '60s')
    const before = await status(nodes[0])
    const leader = before.leader!
    const survivor = nodes.find((node) => node !== leader)!
    const started = Date.now()
    await stormoOk('cluster', 'stop', leader)
    const after = await eventually('a new leader', async () => {
      const seen = await status(survivor)
      return seen.leader !== null && seen.leader !== leader && seen
    })
    expect(after.term).toBeGreaterThan(before.term)
    await eventually(
      'three ready pods on the survivors',
      async () =>
        (await helloPods(survivor)).filter((pod) => isReady(pod) && pod.spec.nodeName !== leader).length === 3,
      40_000,
    )
    const replacedMs = Date.now() - started
    expect(replacedMs).toBeLessThan(40_000)
    for (let request = 0; request < 10; request++) expect(await page(survivor)).toMatch(/Hello from/)

    await stormoOk('cluster', 'start', leader)
    await eventually('all Ready again', async () => (await status(survivor)).nodes.every((node) => node.ready), 60_000)
    await eventually(
      'exactly three pods',
      async () => (await helloPods(leader)).filter(isReady).length === 3 && (await helloPods(leader)).length === 3,
      60_000,
    )
  })

  it('merge what both sides of a cut wrote, and keep the pods of the cut-off node running', async () => {
    const [near, , cut] = nodes
    const containers = async (): Promise<string[]> =>
      (await onNode(cut, 'docker', 'ps', '--format', '{{.ID}} {{.Names}}')).stdout
        .split('\n')
        .filter((line) => line.includes('k8s_web_'))
    await kubectlOk(near, 'scale', 'deployment/hello', '--replicas=6')
    await kubectlOk(near, 'rollout', 'status', 'deployment/hello', '--timeout=60s')
    await eventually('a pod on the node to be cut off', async () => (await containers()).length > 0)
    const running = await containers()
    await stormoOk('cluster', 'cut', cut)
    await eventually(
      'the majority notices',
      async () => (await status(near)).nodes.find((node) => node.name === cut)?.ready === false,
    )
    await kubectlOk(near, 'create', 'configmap', 'of-the-majority', '--from-literal=side=majority')
    await kubectlOk(near, 'label', 'deployment', 'hello', 'majority=was-here')
    expect(
      (await onNode(cut, 'kubectl', 'create', 'configmap', 'of-the-minority', '--from-literal=side=minority')).code,
    ).toBe(0)
    expect((await onNode(cut, 'kubectl', 'label', 'deployment', 'hello', 'minority=was-here')).code).toBe(0)
    // A conditional write needs the majority: refused, never half done.
    const lease = join(work, 'lease.yaml')
    writeFileSync(
      lease,
      'apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: lock, namespace: default}\nspec: {holderIdentity: me}\n',
    )
    const refused = await onNode(cut, 'kubectl', 'create', '-f', lease)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/leader|ServiceUnavailable|unable to handle|timeout/i)
    await eventually('the cut-off node says whom it does not reach', async () => {
      const { stdout, stderr } = await onNode(cut, 'kubectl', 'get', 'nodes', '--no-headers')
      const words = stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/ +/)[1])
      return isDeepStrictEqual(words, ['NotReady', 'NotReady', 'Ready']) && stderr.includes(`does not reach ${near}`)
    })
    expect(await containers()).toEqual(running)

    await stormoOk('cluster', 'heal', cut)
    for (const node of nodes) {
      await eventually(`both changes on ${node}`, async () => {
        const maps = await kubectlOk(node, 'get', 'configmaps', '-o', 'name')
        const labels = await kubectlOk(node, 'get', 'deployment', 'hello', '-o', 'jsonpath={.metadata.labels}')
        return (
          maps.includes('of-the-majority') &&
          maps.includes('of-the-minority') &&
          labels.includes('majority') &&
          labels.includes('minority')
        )
      })
    }
    await eventually(
      'all replicas are equal',
      async () => {
        const [first, ...others] = await Promise.all(nodes.map(materialised))
        for (const [index, other] of others.entries()) {
          const differs = other.findIndex((object, position) => object !== first![position])
          if (differs >= 0 || other.length !== first!.length)
            throw new Error(`${nodes[0]}: ${first![differs]}\n${nodes[index + 1]}: ${other[differs]}`)
        }
        return true
      },
      90_000,
    )
  })

  it('have stormo on the PATH of their shells, and give the exit code of these', async () => {
    const shell = `${join(root, 'cli/stormo')} cluster ssh ${nodes[1]}`
    const input = 'stormo get nodes -o name; exit 5\n'
    const output = await run('script', ['-qefc', shell, '/dev/null'], { input, timeoutMs: 30_000 })
    expect(output.stdout).toContain(`node/${nodes[2]}`)
    expect(output.code).toBe(5)
  })

  it('refuse bad input with the path of the field, and leave nothing half applied', async () => {
    const refuse = async (manifest: string, expected: RegExp): Promise<void> => {
      const path = join(work, 'bad.yaml')
      writeFileSync(path, manifest)
      for (const tool of ['stormo', 'kubectl'] as const) {
        const output =
          tool === 'stormo'
            ? await stormo('apply', '--kubeconfig', kubeconfig(nodes[1]), '-f', path)
            : await kubectl(nodes[1], 'apply', '-f', path)
        expect(output.code, `${tool}: ${manifest}`).not.toBe(0)
        expect(output.stderr, tool).toMatch(expected)
      }
    }
    const pod = (spec: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: ${spec}\n`
    await refuse('apiVersion: v1\nkind: Pod\nmetadata: [', /pars|yaml|YAML/)
    await refuse('apiVersion: v1\nkind: Podd\nmetadata: {name: bad}\n', /no matches for kind "Podd"/)
    await refuse(pod('{containers: [{name: a, image: b, imagee: c}]}'), /spec.containers\[0\].imagee/)
    await refuse('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_Valid}\n', /metadata.name/)
    await refuse(
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {replicas: many, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}\n',
      /replicas/,
    )
    await refuse(
      pod('{containers: [{name: a, image: b, ports: [{containerPort: 70000}]}]}'),
      /spec.containers\[0\].ports\[0\].containerPort/,
    )
    expect((await kubectl(nodes[1], 'get', 'pod', 'bad')).stderr).toMatch(/not found/)

    await kubectlOk(nodes[1], 'run', 'no-image', '--image=stormo-nowhere:1', '--restart=Never')
    await eventually(
      'ErrImagePull or ImagePullBackOff',
      async () => /ErrImagePull|ImagePullBackOff/.test(await kubectlOk(nodes[1], 'get', 'pod', 'no-image')),
      60_000,
    )
    await kubectlOk(nodes[1], 'delete', 'pod', 'no-image', '--timeout=60s')

    const token = (await onNode(nodes[0], 'stormo', 'token', 'create')).stdout.trim()
    const elsewhere = [
      '--data-dir',
      join(work, 'data'),
      '--config-dir',
      join(work, 'config'),
      '--node-name',
      'stranger',
      '--advertise-address',
      '127.0.0.1',
    ]
    const unreachable = await stormo('join', token, '--bootstrap', '/ip4/127.0.0.1/tcp/1', ...elsewhere)
    expect(unreachable.code).not.toBe(0)
    expect(unreachable.stderr).toMatch(/127.0.0.1.*(refused|reached)/)
    const mistyped = await stormo('join', 'stormo.nonsense', ...elsewhere)
    expect(mistyped.code).not.toBe(0)
    expect(mistyped.stderr).toMatch(/malformed join token/)
  })

  it('lose no acknowledged write to kill -9 of an agent, and adopt running containers', async () => {
    const node = nodes[1]
    // A node that is silent for long loses its other pods to the survivors.
    const patience = JSON.stringify({ spec: { nodeName: node, tolerations: [{ operator: 'Exists' }] } })
    await kubectlOk(node, 'delete', 'pod', 'patient', '--ignore-not-found', '--grace-period=1')
    await kubectlOk(node, 'run', 'patient', '--image=stormo-hello:1', `--overrides=${patience}`, '--', 'sleep', '3600')
    await kubectlOk(node, 'wait', 'pod/patient', '--for=condition=Ready', '--timeout=60s')
    const before = await containerOf(node, 'patient')
    await kubectlOk(node, 'delete', 'configmap', 'survives', '--ignore-not-found')
    await kubectlOk(node, 'create', 'configmap', 'survives', '--from-literal=a=b')
    await killAgent(node)
    expect((await kubectl(node, 'get', 'configmap', 'survives', '--request-timeout=2s')).code).not.toBe(0)
    await stormoOk('cluster', 'start', node)
    expect(
      await eventually(
        'the write is there',
        async () =>
          (await kubectl(node, 'get', 'configmap', 'survives', '-o', 'jsonpath={.data.a}')).stdout || undefined,
      ),
    ).toBe('b')
    await kubectlOk(node, 'wait', `node/${node}`, '--for=condition=Ready', '--timeout=60s')
    expect((await onNode(node, 'docker', 'ps', '-q', '--no-trunc')).stdout.split('\n')).toContain(before.id)
    expect(await containerOf(node, 'patient')).toEqual(before)
    await kubectlOk(node, 'delete', 'pod', 'patient', '--wait=false', '--grace-period=1')
  })

  it('run a StatefulSet’s pod once, also when the agent of its node is killed and not started', async () => {
    const [near] = nodes
    const program = ['sleep', '86423']
    const template = {
      metadata: { labels: { app: 'lone' } },
      spec: {
        // Not where it is asked from.
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: [near] }] },
              ],
            },
          },
        },
        containers: [{ name: 'main', image: 'stormo-hello:1', command: program }],
      },
    }
    const spec = { serviceName: 'lone', selector: { matchLabels: { app: 'lone' } }, template }
    const path = join(work, 'lone.json')
    writeFileSync(
      path,
      JSON.stringify({ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'lone' }, spec }),
    )
    await kubectlOk(near, 'apply', '-f', path)
    await kubectlOk(near, 'rollout', 'status', 'statefulset/lone', '--timeout=60s')
    const where = () => kubectlOk(near, 'get', 'pod', 'lone-0', '-o', 'jsonpath={.spec.nodeName}')
    const first = await where()
    expect(await copies(program)).toBe(1)
    await killAgent(first)
    let [most, least] = [1, 1]
    await eventually(
      'the pod elsewhere',
      async () => {
        const running = await copies(program)
        most = Math.max(most, running)
        least = Math.min(least, running)
        return least === 0 && running === 1
      },
      120_000,
    )
    expect(await where()).not.toBe(first)
    await stormoOk('cluster', 'start', first)
    await kubectlOk(near, 'wait', `node/${first}`, '--for=condition=Ready', '--timeout=60s')
    expect([most, await copies(program)]).toEqual([1, 1])
    await kubectlOk(near, 'delete', 'statefulset', 'lone', '--timeout=60s')
  })
})

const killAgent = (node: string): Promise<Output> =>
  onNode(
    node,
    'sh',
    '-c',
    'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline 2>/dev/null | grep -q "[m]ain.ts agent" && kill -9 ${p#/proc/}; done; true',
  )

/** How many processes of all machines run this program. */
async function copies(program: readonly string[]): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line === `${program.join('\0')}\0`).length
}

/** The first container of a pod, as its status has it. */
async function containerOf(node: string, pod: string): Promise<{ id: string; restarts: number }> {
  const { status } = JSON.parse(await kubectlOk(node, 'get', 'pod', pod, '-o', 'json')) as {
    status: { containerStatuses: { containerID: string; restartCount: number }[] }
  }
  const [{ containerID, restartCount }] = status.containerStatuses as [(typeof status.containerStatuses)[number]]
  return { id: containerID.replace('docker://', ''), restarts: restartCount }
}

/** The objects as clients see them, without what each node gives of its own. */
async function materialised(node: string): Promise<string[]> {
  const kinds = 'configmaps,services,deployments,replicasets,pods,secrets,serviceaccounts,endpointslices,namespaces'
  const { items } = JSON.parse(await kubectlOk(node, 'get', kinds, '-A', '-o', 'json')) as {
    items: { metadata: { resourceVersion?: string } }[]
  }
  return items.map((item) =>
    JSON.stringify(item, (key, value: unknown) => (key === 'resourceVersion' ? undefined : value)),
  )
}

it('leave nothing behind', async () => {
  // A program that was stopped and continued must not keep its machine from ending.
  const record = JSON.parse(readFileSync(`/var/lib/stormo-clusters/${name}/${nodes[2]}/power.json`, 'utf8')) as {
    pid: number
  }
  const machine = readFileSync(`/proc/${record.pid}/task/${record.pid}/children`, 'utf8').trim()
  for (const signal of ['STOP', 'CONT']) await onNode(nodes[2], 'pkill', `-${signal}`, '-f', 'main[.]ts agent')
  await stormoOk('cluster', 'down', '--name', name)
  expect(existsSync(`/proc/${machine}`)).toBe(false)
  expect((await run('ip', ['netns'])).stdout).not.toMatch(/stormo-e2e/)
  expect(readFileSync('/proc/mounts', 'utf8')).not.toMatch(/stormo-clusters\/e2e/)
  expect(
    (await run('sh', ['-c', 'ls -d /sys/fs/cgroup/*/stormo-e2e-* /sys/fs/cgroup/stormo-e2e-* 2>/dev/null'])).stdout,
  ).toBe('')
})
