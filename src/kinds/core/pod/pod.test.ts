import { describe, expect, test } from 'vitest'
import type { Pod, PodSpec, PodStatus } from '../../../api/kinds.ts'
import { imageTag, pullPolicyOf } from './image.ts'
import { summarizePod } from './printer.ts'
import { qosClassOf } from './qos.ts'
import { podTraits } from './traits.ts'
import { validatePod } from './validate.ts'
import { validateEphemeralUpdate, validatePodUpdate, validateResize } from './validate-update.ts'

const { strategy = {} } = podTraits
const pod = (spec: Partial<PodSpec> = {}, status: PodStatus = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'default' },
  spec: { containers: [{ name: 'main', image: 'nginx' }], ...spec },
  status,
})
const defaulted = (spec: Partial<PodSpec> = {}): Pod => {
  const made = pod(structuredClone(spec))
  strategy.applyDefaults?.(made)
  return made
}
const messages = (spec: Partial<PodSpec>) =>
  validatePod(defaulted(spec)).map(({ field, message }) => `${field}: ${message}`)

describe('defaults', () => {
  test('of the smallest pod', () => {
    expect(defaulted().spec).toEqual({
      containers: [
        {
          name: 'main',
          image: 'nginx',
          imagePullPolicy: 'Always',
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    })
  })

  test('of a negative time to end', () => {
    const containers = [{ name: 'main', image: 'nginx' }]
    expect(defaulted({ containers, terminationGracePeriodSeconds: -1 }).spec?.terminationGracePeriodSeconds).toBe(1)
  })

  test('of probes, ports, volumes and requests', () => {
    const { spec } = defaulted({
      hostNetwork: true,
      serviceAccountName: 'robot',
      volumes: [{ name: 'a' }, { name: 'b', secret: { secretName: 's' } }, { name: 'c', hostPath: { path: '/x' } }],
      containers: [
        {
          name: 'main',
          image: 'nginx:1.27',
          ports: [{ containerPort: 80 }],
          livenessProbe: { httpGet: { port: 80 } },
          resources: { limits: { cpu: '1' } },
          env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        },
      ],
    })
    expect(spec?.containers[0]).toMatchObject({
      imagePullPolicy: 'IfNotPresent',
      ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
      livenessProbe: {
        httpGet: { path: '/', scheme: 'HTTP' },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3,
      },
      resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
      env: [{ valueFrom: { fieldRef: { apiVersion: 'v1' } } }],
    })
    expect(spec?.volumes).toEqual([
      { name: 'a', emptyDir: {} },
      { name: 'b', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'c', hostPath: { path: '/x', type: '' } },
    ])
    expect(spec?.serviceAccount).toBe('robot')
  })

  test('once is enough', () => {
    const once = defaulted({ volumes: [{ name: 'a' }] })
    const twice = structuredClone(once)
    strategy.applyDefaults?.(twice)
    expect(twice).toEqual(once)
  })
})

test.each([
  ['nginx', 'latest', 'Always'],
  ['nginx:1.27', '1.27', 'IfNotPresent'],
  ['localhost:5000/nginx', 'latest', 'Always'],
  ['localhost:5000/nginx:latest', 'latest', 'Always'],
  [`nginx@sha256:${'0'.repeat(64)}`, '', 'IfNotPresent'],
])('the tag of %s is %j', (image, tag, policy) => {
  expect(imageTag(image)).toBe(tag)
  expect(pullPolicyOf(image)).toBe(policy)
})

test.each<[string, PodSpec['containers'][0]['resources'], string]>([
  ['nothing', {}, 'BestEffort'],
  ['a request', { requests: { cpu: '1' } }, 'Burstable'],
  ['equal limits', { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1000m', memory: '1024Mi' } }, 'Guaranteed'],
  ['cpu alone', { requests: { cpu: '1' }, limits: { cpu: '1' } }, 'Burstable'],
])('asking for %s', (_name, resources, qos) => {
  expect(qosClassOf({ containers: [{ name: 'a', resources }] })).toBe(qos)
})

describe('validation', () => {
  const container = { name: 'main', image: 'nginx' }
  test.each<[string, Partial<PodSpec>, string]>([
    ['no container', { containers: [] }, 'spec.containers: Required value'],
    ['no image', { containers: [{ name: 'a' }] }, 'spec.containers[0].image: Required value'],
    ['two of a name', { containers: [container, container] }, 'spec.containers[1].name: Duplicate value: "main"'],
    [
      'a bad name',
      { containers: [{ ...container, name: 'A_b' }] },
      `spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
    ],
    [
      'two ways to a host name',
      { containers: [container], hostnameOverride: 'a', setHostnameAsFQDN: true },
      'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
    ],
    [
      'an unknown restart policy',
      { restartPolicy: 'Sometimes' },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      'a mount without volume',
      { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
    [
      'a request beyond its limit',
      { containers: [{ ...container, resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }] },
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
    [
      'a port out of range',
      { containers: [{ ...container, ports: [{ containerPort: 70_000 }] }] },
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      'two volume sources',
      { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] },
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ],
    [
      'a probe in an init container',
      { initContainers: [{ ...container, name: 'i', livenessProbe: { exec: { command: ['x'] } } }] },
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
    [
      'DNS None without config',
      { dnsPolicy: 'None' },
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ],
    [
      'a toleration of nothing',
      { tolerations: [{ operator: 'Equal', value: 'x' }] },
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      'a climbing sub path',
      {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v', subPath: '../x' }] }],
      },
      `spec.containers[0].volumeMounts[0].subPath: Invalid value: "../x": must not contain '..'`,
    ],
  ])('%s', (_name, spec, message) => {
    expect(messages(spec)).toEqual([message])
  })

  test('a rich pod is right', () => {
    const spec: Partial<PodSpec> = {
      initContainers: [
        { name: 'side', image: 'a', restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 1 } } },
      ],
      containers: [
        {
          ...container,
          ports: [{ name: 'http', containerPort: 80 }],
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
          env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
          securityContext: { runAsUser: 1000, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'token', mountPath: '/t' }],
        },
      ],
      volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
      tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
    }
    expect(messages(spec)).toEqual([])
  })
})

describe('updates', () => {
  const changed = (change: (spec: PodSpec) => void, from: Partial<PodSpec> = {}) => {
    const old = defaulted(from)
    const next = structuredClone(old)
    if (next.spec) change(next.spec)
    return validatePodUpdate(next, old).map(({ field }) => field)
  }

  test('of an image, a toleration and a deadline are allowed', () => {
    expect(
      changed((spec) => {
        spec.containers = spec.containers.map((one) => ({ ...one, image: 'other' }))
        spec.tolerations = [{ key: 'a', operator: 'Exists' }]
        spec.activeDeadlineSeconds = 5
      }),
    ).toEqual([])
  })

  test('of anything else are not', () => {
    expect(changed((spec) => void (spec.nodeName = 'n'))).toEqual(['spec'])
    expect(changed((spec) => void spec.containers.push({ name: 'b', image: 'c' }))).toEqual(['spec.containers'])
    expect(changed((spec) => void delete spec.tolerations, { tolerations: [{ operator: 'Exists' }] })).toEqual([
      'spec.tolerations',
    ])
    expect(changed((spec) => void (spec.activeDeadlineSeconds = 9), { activeDeadlineSeconds: 5 })).toEqual([
      'spec.activeDeadlineSeconds',
    ])
  })

  test('scheduling gates can be taken away, not added', () => {
    const gated = { schedulingGates: [{ name: 'a' }] }
    expect(changed((spec) => void delete spec.schedulingGates, gated)).toEqual([])
    expect(changed((spec) => void spec.schedulingGates?.push({ name: 'b' }), gated)).toEqual([
      'spec.schedulingGates[1]',
    ])
    expect(changed((spec) => void (spec.nodeSelector = { a: 'b' }), gated)).toEqual([])
    expect(changed((spec) => void (spec.nodeSelector = { a: 'b' }))).toEqual(['spec'])
  })

  test('ephemeral containers are only added', () => {
    const old = defaulted()
    const next = defaulted({ ephemeralContainers: [{ name: 'debug', image: 'busybox' }] })
    expect(validateEphemeralUpdate(next, old)).toEqual([])
    expect(validateEphemeralUpdate(old, next).map(({ field }) => field)).toEqual(['spec.ephemeralContainers'])
  })
})

describe('the status column', () => {
  const nowMs = Date.parse('2026-01-01T00:10:00Z')
  const status = (of: PodStatus, spec: Partial<PodSpec> = {}) => summarizePod(pod(spec, of), nowMs)
  const named = { name: 'main', image: '', imageID: '', ready: false, restartCount: 0 }

  test.each<[string, PodStatus, Partial<PodSpec>, object]>([
    ['pending', { phase: 'Pending' }, {}, { status: 'Pending', ready: '0/1', restarts: '0' }],
    [
      'running',
      { phase: 'Running', containerStatuses: [{ ...named, ready: true, state: { running: {} } }] },
      {},
      { status: 'Running', ready: '1/1' },
    ],
    [
      'crashing',
      {
        phase: 'Running',
        containerStatuses: [
          {
            ...named,
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:05:00Z' } },
          },
        ],
      },
      {},
      { status: 'CrashLoopBackOff', restarts: '3 (5m ago)' },
    ],
    [
      'completed',
      {
        phase: 'Succeeded',
        containerStatuses: [{ ...named, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      },
      {},
      { status: 'Completed' },
    ],
    [
      'killed',
      { phase: 'Failed', containerStatuses: [{ ...named, state: { terminated: { exitCode: 137, signal: 9 } } }] },
      {},
      { status: 'Signal:9' },
    ],
    [
      'initialising',
      { phase: 'Pending', initContainerStatuses: [{ ...named, name: 'i', state: { running: {} } }] },
      { initContainers: [{ name: 'i' }, { name: 'j' }] },
      { status: 'Init:0/2' },
    ],
    [
      'failing to initialise',
      { phase: 'Pending', initContainerStatuses: [{ ...named, name: 'i', state: { terminated: { exitCode: 2 } } }] },
      { initContainers: [{ name: 'i' }] },
      { status: 'Init:ExitCode:2' },
    ],
    ['evicted', { phase: 'Failed', reason: 'Evicted' }, {}, { status: 'Evicted' }],
    [
      'gated',
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
      {},
      { status: 'SchedulingGated' },
    ],
  ])('%s', (_name, of, spec, expected) => {
    expect(status(of, spec)).toMatchObject(expected)
  })

  test('a pod that is being deleted is terminating', () => {
    const dying = pod({}, { phase: 'Running' })
    dying.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
    expect(summarizePod(dying, nowMs).status).toBe('Terminating')
  })
})

describe('resize', () => {
  const one = (resources: PodSpec['containers'][0]['resources'], name = 'a') =>
    defaulted({ containers: [{ name, image: 'nginx', resources }] })
  const withInit = (resources: PodSpec['containers'][0]['resources'], restartPolicy?: string) =>
    defaulted({
      containers: [{ name: 'a', image: 'nginx' }],
      initContainers: [{ name: 'i', image: 'nginx', resources, ...(restartPolicy ? { restartPolicy } : {}) }],
    })
  test.each<[string, Pod, Pod, string]>([
    ['another class', one({ requests: { cpu: '1' } }), one({}), 'Pod QOS Class may not change as a result of resizing'],
    [
      'a limit that goes',
      one({ requests: { cpu: '1' } }),
      one({ requests: { cpu: '1' }, limits: { cpu: '2' } }),
      'resource limits cannot be removed',
    ],
    [
      'a request that goes',
      one({ requests: { cpu: '1' } }),
      one({ requests: { cpu: '1', memory: '1Mi' } }),
      'resource requests cannot be removed',
    ],
    ['another name', one({}, 'b'), one({}, 'a'), 'containers may not be renamed or reordered on resize'],
    [
      'an init container that is over',
      withInit({ requests: { cpu: '2' } }),
      withInit({ requests: { cpu: '1' } }),
      'resources for non-sidecar init containers are immutable',
    ],
    [
      'a limit of a sidecar that goes',
      withInit({ requests: { cpu: '1' } }, 'Always'),
      withInit({ requests: { cpu: '1' }, limits: { cpu: '2' } }, 'Always'),
      'resource limits cannot be removed',
    ],
  ])('%s is refused', (_name, next, before, message) => {
    expect(validateResize(next, before).map((error) => error.message)).toEqual([expect.stringContaining(message)])
  })
})
