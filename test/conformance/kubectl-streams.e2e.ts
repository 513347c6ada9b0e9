import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster, type Cluster } from './cluster.ts'
import { installedKubectls, kubectlFor, type Kubectl } from './kubectl.ts'

/**
 * logs, exec, attach and port-forward by every installed kubectl: SPDY in the old ones, WebSocket in the new. Runs
 * against the echoing node of our own server only; a real cluster is the end-to-end suite's.
 */
const binaries = await installedKubectls()

describe.skipIf(process.env['STORMO_KUBECONFIG'] !== undefined).each(binaries)('kubectl $version streams', (binary) => {
  let cluster: Cluster
  let kubectl: Kubectl

  beforeAll(async () => {
    cluster = await openCluster()
    kubectl = kubectlFor(binary, cluster.kubeconfig, join(cluster.scratch, 'cache'))
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'echo' },
      spec: { nodeName: 'echo', containers: [{ name: 'main', image: 'echo', ports: [{ containerPort: 80 }] }] },
    }
    await kubectl('create -f -', JSON.stringify(pod))
    const status = {
      phase: 'Running',
      podIP: '127.0.0.9',
      containerStatuses: [{ name: 'main', ready: true, state: { running: {} } }],
    }
    await kubectl(['patch', 'pod', 'echo', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })])
  })
  afterAll(() => cluster.stop())

  test('logs', async () => {
    expect((await kubectl('logs echo')).stdout).toBe('log of main\nsecond line\n')
    expect((await kubectl('logs -f echo -c main')).stdout).toContain('second line')
    expect((await kubectl('logs echo -c nosuch')).stderr).toContain('container nosuch is not valid for pod echo')
  })

  test('exec: output, input to its end, exit code', async () => {
    expect((await kubectl('exec echo -- print hello there')).stdout).toBe('hello there\n')
    const large = 'x'.repeat(1_000_000)
    const piped = await kubectl('exec -i echo -- cat', large)
    expect(piped.stdout.length).toBe(large.length)
    expect((await kubectl('exec echo -- fail')).code).toBe(3)
  })

  test('attach', async () => {
    expect((await kubectl('attach -i echo', 'typed')).stdout).toContain('typed')
  })

  test('port-forward carries several connections', async () => {
    const child = spawn(binary.path, ['port-forward', 'pod/echo', ':80', '--address=127.0.0.1'], {
      env: { ...process.env, KUBECONFIG: cluster.kubeconfig },
    })
    try {
      const port = await new Promise<string>((resolve, reject) => {
        child.stdout.on('data', (text: Buffer) => {
          const found = /127\.0\.0\.1:(\d+)/.exec(text.toString())
          if (found?.[1]) resolve(found[1])
        })
        child.once('exit', () => reject(new Error('kubectl port-forward ended')))
      })
      const answers = await Promise.all(
        ['/a', '/b', '/c'].map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()),
      )
      expect(answers).toEqual(['you asked for /a', 'you asked for /b', 'you asked for /c'])
    } finally {
      child.kill()
    }
  })

  test('proxy to a pod', async () => {
    expect((await kubectl('get --raw /api/v1/namespaces/default/pods/echo:80/proxy/some/path?q=1')).stdout).toBe(
      'you asked for /some/path?q=1',
    )
  })
})
