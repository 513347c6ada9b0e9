import type { KubeObject, ObjectKey } from '../../src/api/object.ts'
import type { FieldLayout } from '../../src/store/store.ts'

/** The lists of a pod that merge by keys. */
export const podLayout: FieldLayout = {
  listKeys(_ref, path) {
    const last = path.at(-1)
    if (last === 'finalizers') return []
    if (last === 'conditions') return ['type']
    if (last === 'ports') return ['containerPort', 'protocol']
    if (last === 'volumeMounts') return ['mountPath']
    return last === 'containers' || last === 'volumes' || last === 'env' || last === 'imagePullSecrets'
      ? ['name']
      : undefined
  },
}

const namespaces = 20

export const podKey = (index: number): ObjectKey => ({
  group: '',
  resource: 'pods',
  namespace: `team-${index % namespaces}`,
  name: `web-7d4b9c6f5-${index.toString(36).padStart(5, '0')}`,
})

/** A pod as the API server leaves it after defaulting: 2.7 KB of JSON with its status. */
export function samplePod(index: number): KubeObject {
  const { name, namespace } = podKey(index)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      creationTimestamp: '2026-06-01T00:00:00Z',
      generateName: 'web-7d4b9c6f5-',
      labels: { app: 'web', 'pod-template-hash': '7d4b9c6f5', 'app.kubernetes.io/name': 'web', team: namespace },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'web-7d4b9c6f5',
          uid: '0b5b3a6e-5f0e-4a54-9f0e-3b8f4b0f7c11',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      containers: [container('web', 8080, index), container('metrics', 9102, index)],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: ['not-ready', 'unreachable'].map((name) => ({
        key: `node.kubernetes.io/${name}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
      volumes: [
        { name: 'config', configMap: { name: 'web-config', defaultMode: 420 } },
        { name: 'cache', emptyDir: {} },
      ],
    },
    status: { phase: 'Pending', qosClass: 'Burstable' },
  } as KubeObject
}

const container = (name: string, port: number, index: number) => ({
  name,
  image: `registry.internal/${name}:1.${index % 40}.3`,
  imagePullPolicy: 'IfNotPresent',
  ports: [{ name: 'http', containerPort: port, protocol: 'TCP' }],
  env: [
    { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
    { name: 'LOG_LEVEL', value: 'info' },
  ],
  resources: { limits: { memory: '256Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
  volumeMounts: [
    { name: 'config', mountPath: '/etc/web', readOnly: true },
    { name: 'cache', mountPath: '/var/cache' },
  ],
  livenessProbe: {
    httpGet: { path: '/healthz', port, scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  },
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
})

/** The status that a kubelet writes, for the `round`th time. */
export function sampleStatus(index: number, round: number): Record<string, unknown> {
  const at = new Date(Date.UTC(2026, 5, 1) + round * 1_000).toISOString()
  const conditions = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
    type,
    status: (round + type.length) % 2 === 0 ? 'True' : 'False',
    lastTransitionTime: at,
  }))
  return {
    phase: 'Running',
    qosClass: 'Burstable',
    podIP: `10.0.${index % 250}.${round % 250}`,
    hostIP: '192.168.0.7',
    startTime: '2026-06-01T00:00:00Z',
    conditions,
  }
}
