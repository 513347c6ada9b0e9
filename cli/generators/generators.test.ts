import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Invocation, Io } from '../command.ts'
import { parsePlace } from '../commands/cp.ts'
import { buildService } from '../commands/expose.ts'
import { resolvePort } from '../commands/port-forward.ts'
import { buildPod } from '../commands/run.ts'
import { overridden } from '../overrides.ts'
import { parseEnvFile, readData } from '../key-values.ts'
import { configMapGenerator, genericSecretGenerator, registrySecretGenerator } from './data.ts'
import { roleBindingGenerator } from './rbac.ts'
import { disruptionBudgetGenerator, ingressGenerator, serviceGenerators, servicePort } from './services.ts'
import { containerName, cronJobGenerator, deploymentGenerator } from './workloads.ts'

const invoke = (args: string[], options: Record<string, unknown> = {}, rest: string[] = []): Invocation => ({
  args,
  options,
  rest,
  io: {} as Io,
})

describe('create', () => {
  it('makes a deployment with a container an image', async () => {
    const built = await deploymentGenerator.build(invoke(['web'], { image: ['a/web:1', 'b'], replicas: 2, port: 80 }))
    expect(built).toMatchObject({
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: { spec: { containers: [{ name: 'web', ports: [{ containerPort: 80 }] }, { name: 'b' }] } },
      },
    })
    expect(() => deploymentGenerator.build(invoke(['web']))).toThrow('required flag(s) "image" not set')
  })

  it.each([
    ['registry:5000/a/web:1', 'web'],
    ['web@sha256:abc', 'web'],
    ['Web_1', '-eb-1'],
  ])('names the container of %s', (image, name) => expect(containerName(image)).toBe(name))

  it('takes a command after the dashes', () => {
    const built = cronJobGenerator.build(invoke(['c'], { image: 'i', schedule: '* * * * *' }, ['sh', '-c', 'x']))
    expect(built).toMatchObject({
      spec: {
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [{ command: ['sh', '-c', 'x'] }] } } },
        },
      },
    })
  })

  it('keeps text readable and bytes as they are', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'stormo-test-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    writeFileSync(join(dir, 'bin'), Buffer.from([0xff, 0xfe]))
    writeFileSync(join(dir, 'text'), 'hello\n')
    expect(
      await configMapGenerator.build(
        invoke(['m'], { fromFile: [dir, `k=${join(dir, 'text')}`], fromLiteral: ['a=b=c'] }),
      ),
    ).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm' },
      data: { a: 'b=c', k: 'hello\n', text: 'hello\n' },
      binaryData: { bin: '//4=' },
    })
    expect(await genericSecretGenerator.build(invoke(['s'], { fromLiteral: ['a=b'], type: 'x' }))).toMatchObject({
      type: 'x',
      data: { a: 'Yg==' },
    })
  })

  it('gives a hashed name that follows the content', async () => {
    const name = async (value: string) =>
      (await configMapGenerator.build(invoke(['m'], { fromLiteral: [`a=${value}`], appendHash: true }))).metadata.name
    expect(await name('1')).toBe(await name('1'))
    expect(await name('1')).not.toBe(await name('2'))
  })

  it('makes a registry secret that Docker reads', async () => {
    const options = { dockerServer: 'r', dockerUsername: 'u', dockerPassword: 'p' }
    const built = (await registrySecretGenerator.build(invoke(['s'], options))) as { data?: Record<string, string> }
    const config: unknown = JSON.parse(Buffer.from(built.data?.['.dockerconfigjson'] ?? '', 'base64').toString())
    expect(config).toEqual({ auths: { r: { username: 'u', password: 'p', auth: 'dTpw' } } })
  })

  it('makes services', async () => {
    const [, nodePort] = serviceGenerators
    expect(servicePort('80:http')).toEqual({ name: '80-http', port: 80, protocol: 'TCP', targetPort: 'http' })
    expect(await nodePort!.build(invoke(['s'], { tcp: ['80:8080'], nodePort: 30_001 }))).toMatchObject({
      spec: { type: 'NodePort', selector: { app: 's' }, ports: [{ port: 80, targetPort: 8080, nodePort: 30_001 }] },
    })
    expect(() => nodePort!.build(invoke(['s'], { tcp: ['70000'] }))).toThrow('must be between 1 and 65535')
    expect(() => nodePort!.build(invoke(['s']))).toThrow('at least one tcp port')
  })

  it('makes an ingress', async () => {
    expect(
      await ingressGenerator.build(invoke(['i'], { rule: ['a.b/x*=svc:80,tls=t', 'a.b/y=svc:web'] })),
    ).toMatchObject({
      spec: {
        rules: [
          {
            host: 'a.b',
            http: {
              paths: [
                { path: '/x', pathType: 'Prefix', backend: { service: { name: 'svc', port: { number: 80 } } } },
                { path: '/y', pathType: 'Exact', backend: { service: { name: 'svc', port: { name: 'web' } } } },
              ],
            },
          },
        ],
        tls: [{ hosts: ['a.b'], secretName: 't' }],
      },
    })
  })

  it('asks for exactly one of two', () => {
    expect(() => roleBindingGenerator.build(invoke(['b'], { role: 'a', clusterrole: 'b' }))).toThrow('exactly one')
    expect(() => disruptionBudgetGenerator.build(invoke(['b'], { selector: 'a=b' }))).toThrow('one of min-available')
    expect(disruptionBudgetGenerator.build(invoke(['b'], { selector: 'a=b', minAvailable: '50%' }))).toMatchObject({
      spec: { minAvailable: '50%', selector: { matchLabels: { a: 'b' } } },
    })
  })
})

describe('key-value sources', () => {
  it('refuses keys that are no keys, and keys given twice', () => {
    const literals = (...all: string[]) => readData({ literals: all, files: [], envFiles: [] })
    expect(() => literals('a b=c')).toThrow('not a valid key name')
    expect(() => literals('a=1', 'a=2')).toThrow('another key by that name already exists')
    expect(() => literals('a')).toThrow('expected key=value')
    expect(literals('a="quoted"').get('a')?.toString()).toBe('quoted')
  })

  it('reads environment files', () => {
    expect(parseEnvFile('# c\n\nA=1\n B=x=y\r\nC', { C: 'own' })).toEqual([
      ['A', '1'],
      ['B', 'x=y'],
      ['C', 'own'],
    ])
    expect(() => parseEnvFile('A=1\n2x=3')).toThrow('line 2')
  })
})

describe('run and expose', () => {
  it('makes a pod', async () => {
    const told = { image: 'i', env: ['A=b=c'], stdin: true, overrides: '{"spec":{"nodeName":"n"}}' }
    const invocation = invoke(['web'], told, ['x'])
    expect(await overridden(invocation, buildPod(invocation))).toMatchObject({
      metadata: { labels: { run: 'web' } },
      spec: {
        nodeName: 'n',
        containers: [{ args: ['x'], env: [{ name: 'A', value: 'b=c' }], stdin: true, stdinOnce: true }],
      },
    })
    const added = { overrides: '[{"op":"add","path":"/spec/nodeName","value":"m"}]', overrideType: 'json' }
    expect((await overridden(invoke(['web'], added), buildPod(invocation))).spec?.nodeName).toBe('m')
    const broken = invoke(['web'], { overrides: '{', overrideType: 'merge' })
    await expect(overridden(broken, buildPod(invocation))).rejects.toThrow('no JSON')
    expect(() => buildPod(invoke(['web'], { image: 'i', restart: 'x' }))).toThrow('invalid restart policy: x')
  })

  it('takes ports and selector of a workload', () => {
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        selector: { matchLabels: { app: 'x' } },
        template: { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80 }] }] } },
      },
    }
    expect(buildService(invoke([], { targetPort: 'http' }), deployment as never)).toMatchObject({
      metadata: { name: 'web' },
      spec: { selector: { app: 'x' }, ports: [{ port: 80, targetPort: 'http' }] },
    })
  })
})

describe('ports and places', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
  }
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { ports: [{ name: 'web', port: 80, targetPort: 'http' }] },
  }

  it.each([
    ['8080', undefined, { local: 8080, remote: 8080 }],
    ['9000:80', undefined, { local: 9000, remote: 80 }],
    [':80', undefined, { local: 0, remote: 80 }],
    ['9000:http', undefined, { local: 9000, remote: 8080 }],
    ['80', service, { local: 80, remote: 8080 }],
    ['9000:web', service, { local: 9000, remote: 8080 }],
  ])('%s of %j', (text, of, forward) => expect(resolvePort(text, pod, of)).toEqual(forward))

  it('refuses what is no port', () => {
    expect(() => resolvePort('0', pod)).toThrow('invalid port')
    expect(() => resolvePort('1:nope', pod)).toThrow('does not have a port named "nope"')
    expect(() => resolvePort('81', pod, service)).toThrow('does not have a service port 81')
  })

  it.each([
    ['./a:b', { path: './a:b' }],
    ['web:/x', { pod: 'web', path: '/x' }],
    ['n/web:x/y', { namespace: 'n', pod: 'web', path: 'x/y' }],
  ])('%s is a place', (text, place) => expect(parsePlace(text)).toEqual(place))
})
