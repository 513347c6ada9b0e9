import { podTemplate } from './manifests.ts'

/** One resource of the lifecycle table. */
export interface ResourceCase {
  /** As the conformance list names the area. */
  area: string
  /** `apps/v1/deployments`, `v1/configmaps` */
  path: string
  kind: string
  namespaced: boolean
  /** Without type and name. */
  body: object
  /** A status that a client may write, where there is such a subresource. */
  status?: object
}

const condition = { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'Set by a test' }
const timed = { ...condition, lastTransitionTime: '2024-01-01T00:00:00Z' }
const selector = { matchLabels: { app: 'web' } }
const workload = { selector, template: podTemplate('web') }
const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }
const never = { matchLabels: { 'no-such-label': 'true' } }

const namespaced = (area: string, path: string, kind: string, body: object, status?: object): ResourceCase => ({
  area,
  path,
  kind,
  namespaced: true,
  body,
  ...(status ? { status } : {}),
})
const global = (area: string, path: string, kind: string, body: object, status?: object): ResourceCase => ({
  ...namespaced(area, path, kind, body, status),
  namespaced: false,
})

/** Every kind whose operations the conformance list asks for, with the least that makes it valid. */
export const resourceCases: readonly ResourceCase[] = [
  namespaced('sig-node', 'v1/configmaps', 'ConfigMap', { data: { a: '1' } }),
  namespaced('sig-node', 'v1/secrets', 'Secret', { stringData: { a: '1' } }),
  namespaced('sig-auth', 'v1/serviceaccounts', 'ServiceAccount', { automountServiceAccountToken: false }),
  namespaced('sig-node', 'v1/podtemplates', 'PodTemplate', { template: podTemplate('web') }),
  namespaced(
    'sig-node',
    'v1/pods',
    'Pod',
    { spec: { schedulingGates: [{ name: 'example.com/wait' }], containers: [{ name: 'web', image: 'nginx' }] } },
    { conditions: [timed] },
  ),
  namespaced(
    'sig-apps',
    'v1/replicationcontrollers',
    'ReplicationController',
    {
      spec: { replicas: 0, selector: { app: 'web' }, template: podTemplate('web') },
    },
    { replicas: 0, conditions: [timed] },
  ),
  namespaced('sig-network', 'v1/services', 'Service', { spec: { ports: [{ port: 80 }] } }, { conditions: [timed] }),
  namespaced('sig-network', 'v1/endpoints', 'Endpoints', {
    subsets: [{ addresses: [{ ip: '10.0.0.24' }], ports: [{ name: 'http', port: 80 }] }],
  }),
  namespaced(
    'sig-api-machinery',
    'v1/resourcequotas',
    'ResourceQuota',
    { spec: { hard: { 'requests.cpu': '900' } } },
    {
      hard: { 'requests.cpu': '900' },
      used: { 'requests.cpu': '1' },
    },
  ),
  namespaced('sig-scheduling', 'v1/limitranges', 'LimitRange', {
    spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '500Gi' } }] },
  }),
  namespaced(
    'sig-storage',
    'v1/persistentvolumeclaims',
    'PersistentVolumeClaim',
    {
      spec: {
        storageClassName: 'no-such-class',
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
      },
    },
    { conditions: [timed] },
  ),
  global(
    'sig-storage',
    'v1/persistentvolumes',
    'PersistentVolume',
    {
      spec: {
        storageClassName: 'no-such-class',
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path: '/tmp/data' },
      },
    },
    { message: 'StatusPatched', reason: 'E2E' },
  ),
  global('sig-node', 'v1/nodes', 'Node', { spec: { unschedulable: true } }, { conditions: [timed] }),
  namespaced('sig-apps', 'apps/v1/controllerrevisions', 'ControllerRevision', { revision: 1, data: { spec: {} } }),
  namespaced(
    'sig-apps',
    'apps/v1/deployments',
    'Deployment',
    { spec: { replicas: 0, ...workload } },
    { conditions: [timed] },
  ),
  namespaced(
    'sig-apps',
    'apps/v1/replicasets',
    'ReplicaSet',
    { spec: { replicas: 0, ...workload } },
    {
      replicas: 0,
      conditions: [timed],
    },
  ),
  namespaced(
    'sig-apps',
    'apps/v1/statefulsets',
    'StatefulSet',
    {
      spec: { replicas: 0, serviceName: 'web', ...workload },
    },
    { replicas: 0, conditions: [timed] },
  ),
  namespaced(
    'sig-apps',
    'apps/v1/daemonsets',
    'DaemonSet',
    {
      spec: { selector, template: podTemplate('web', { nodeSelector: { 'no-such-label': 'x' } }) },
    },
    {
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
      conditions: [timed],
    },
  ),
  namespaced(
    'sig-apps',
    'batch/v1/jobs',
    'Job',
    {
      spec: { suspend: true, template: podTemplate('web', { restartPolicy: 'Never' }, false) },
    },
    { conditions: [timed] },
  ),
  namespaced(
    'sig-apps',
    'batch/v1/cronjobs',
    'CronJob',
    {
      spec: {
        schedule: '0 0 1 1 *',
        suspend: true,
        jobTemplate: { spec: { template: podTemplate('web', { restartPolicy: 'OnFailure' }) } },
      },
    },
    { lastScheduleTime: '2024-01-01T00:00:00Z' },
  ),
  namespaced(
    'sig-autoscaling',
    'autoscaling/v2/horizontalpodautoscalers',
    'HorizontalPodAutoscaler',
    {
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
    },
    { currentReplicas: 0, desiredReplicas: 1, conditions: [timed] },
  ),
  namespaced(
    'sig-autoscaling',
    'autoscaling/v1/horizontalpodautoscalers',
    'HorizontalPodAutoscaler',
    {
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
    },
    { currentReplicas: 0, desiredReplicas: 1 },
  ),
  namespaced(
    'sig-apps',
    'policy/v1/poddisruptionbudgets',
    'PodDisruptionBudget',
    { spec: { minAvailable: 1, selector } },
    {
      disruptionsAllowed: 0,
      currentHealthy: 0,
      desiredHealthy: 1,
      expectedPods: 0,
      conditions: [timed],
    },
  ),
  namespaced(
    'sig-network',
    'networking.k8s.io/v1/ingresses',
    'Ingress',
    {
      spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
    },
    { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } },
  ),
  namespaced('sig-network', 'networking.k8s.io/v1/networkpolicies', 'NetworkPolicy', {
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  }),
  global('sig-network', 'networking.k8s.io/v1/ingressclasses', 'IngressClass', {
    spec: { controller: 'example.com/c' },
  }),
  global(
    'sig-network',
    'networking.k8s.io/v1/servicecidrs',
    'ServiceCIDR',
    { spec: { cidrs: ['10.196.196.0/24'] } },
    {
      conditions: [timed],
    },
  ),
  namespaced('sig-network', 'discovery.k8s.io/v1/endpointslices', 'EndpointSlice', {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
  }),
  namespaced('sig-instrumentation', 'v1/events', 'Event', {
    involvedObject: { kind: 'Pod', name: 'web', namespace: 'lifecycle' },
    reason: 'Test',
    message: 'first',
    type: 'Normal',
  }),
  namespaced('sig-instrumentation', 'events.k8s.io/v1/events', 'Event', {
    eventTime: '2024-01-01T00:00:00.000000Z',
    reportingController: 'example.com/test',
    reportingInstance: 'test-1',
    action: 'Do',
    reason: 'Test',
    type: 'Normal',
    note: 'first',
    regarding: { kind: 'Pod', name: 'web', namespace: 'lifecycle' },
  }),
  namespaced('sig-node', 'coordination.k8s.io/v1/leases', 'Lease', {
    spec: { holderIdentity: 'me', leaseDurationSeconds: 30 },
  }),
  global('sig-node', 'node.k8s.io/v1/runtimeclasses', 'RuntimeClass', { handler: 'runc' }),
  global('sig-scheduling', 'scheduling.k8s.io/v1/priorityclasses', 'PriorityClass', { value: 1000 }),
  global('sig-storage', 'storage.k8s.io/v1/storageclasses', 'StorageClass', { provisioner: 'example.com/none' }),
  global('sig-storage', 'storage.k8s.io/v1/csidrivers', 'CSIDriver', { spec: { attachRequired: false } }),
  global('sig-storage', 'storage.k8s.io/v1/csinodes', 'CSINode', { spec: { drivers: [] } }),
  namespaced('sig-storage', 'storage.k8s.io/v1/csistoragecapacities', 'CSIStorageCapacity', {
    storageClassName: 'none',
  }),
  global(
    'sig-storage',
    'storage.k8s.io/v1/volumeattachments',
    'VolumeAttachment',
    {
      spec: { attacher: 'example.com/a', nodeName: 'no-such-node', source: { persistentVolumeName: 'none' } },
    },
    { attached: true },
  ),
  global('sig-storage', 'storage.k8s.io/v1/volumeattributesclasses', 'VolumeAttributesClass', {
    driverName: 'example.com/none',
    parameters: { iops: '100' },
  }),
  namespaced('sig-auth', 'rbac.authorization.k8s.io/v1/roles', 'Role', {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  }),
  namespaced('sig-auth', 'rbac.authorization.k8s.io/v1/rolebindings', 'RoleBinding', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'none' },
    subjects: [{ kind: 'ServiceAccount', name: 'none', namespace: 'default' }],
  }),
  global('sig-auth', 'rbac.authorization.k8s.io/v1/clusterroles', 'ClusterRole', {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  }),
  global('sig-auth', 'rbac.authorization.k8s.io/v1/clusterrolebindings', 'ClusterRoleBinding', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'none' },
    subjects: [{ kind: 'ServiceAccount', name: 'none', namespace: 'default' }],
  }),
  global(
    'sig-api-machinery',
    'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    'ValidatingWebhookConfiguration',
    {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { url: 'https://127.0.0.1:1/' },
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Ignore',
          rules: [rule],
          objectSelector: never,
        },
      ],
    },
  ),
  global(
    'sig-api-machinery',
    'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
    'MutatingWebhookConfiguration',
    {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { url: 'https://127.0.0.1:1/' },
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Ignore',
          rules: [rule],
          objectSelector: never,
        },
      ],
    },
  ),
  global(
    'sig-api-machinery',
    'admissionregistration.k8s.io/v1/validatingadmissionpolicies',
    'ValidatingAdmissionPolicy',
    {
      spec: {
        matchConstraints: { resourceRules: [rule], objectSelector: never },
        validations: [{ expression: 'object.data.size() < 5' }],
      },
    },
    { observedGeneration: 1, conditions: [timed] },
  ),
  global(
    'sig-api-machinery',
    'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
    'ValidatingAdmissionPolicyBinding',
    {
      spec: { policyName: 'none', validationActions: ['Deny'] },
    },
  ),
  global(
    'sig-api-machinery',
    'flowcontrol.apiserver.k8s.io/v1/flowschemas',
    'FlowSchema',
    {
      spec: { matchingPrecedence: 10_000, priorityLevelConfiguration: { name: 'global-default' } },
    },
    { conditions: [timed] },
  ),
  global(
    'sig-api-machinery',
    'flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
    'PriorityLevelConfiguration',
    {
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    { conditions: [timed] },
  ),
  global('sig-node', 'resource.k8s.io/v1/deviceclasses', 'DeviceClass', {
    spec: { selectors: [{ cel: { expression: 'device.driver == "example.com"' } }] },
  }),
  namespaced(
    'sig-node',
    'resource.k8s.io/v1/resourceclaims',
    'ResourceClaim',
    {
      spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'none' } }] } },
    },
    {},
  ),
  namespaced('sig-node', 'resource.k8s.io/v1/resourceclaimtemplates', 'ResourceClaimTemplate', {
    spec: { spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'none' } }] } } },
  }),
  global('sig-node', 'resource.k8s.io/v1/resourceslices', 'ResourceSlice', {
    spec: {
      driver: 'example.com',
      nodeName: 'none',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'd0' }],
    },
  }),
]

/** `v1/pods` in a namespace → its collection's URL path. */
export function collectionPath(
  { path, namespaced: within }: Pick<ResourceCase, 'path' | 'namespaced'>,
  namespace: string,
): string {
  const parts = path.split('/')
  const resource = parts.pop()
  const root = parts.length === 1 ? `/api/${parts[0]}` : `/apis/${parts.join('/')}`
  return within ? `${root}/namespaces/${namespace}/${resource}` : `${root}/${resource}`
}

/** `apps/v1/deployments` → `apps/v1` */
export const apiVersionOfCase = ({ path }: Pick<ResourceCase, 'path'>): string => path.slice(0, path.lastIndexOf('/'))
