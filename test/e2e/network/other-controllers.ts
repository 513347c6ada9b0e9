/**
 * What the public manifests of two Ingress controllers put into a cluster, kind by kind: names of their own, but with the
 * shapes that matter (RBAC down to single names, classes, LoadBalancer Services, webhooks, hooks by Jobs, custom
 * resources). The program in their pods is a stand-in.
 */
const image = 'stormo-hello:1'

type Kubernetes = Record<string, unknown>
const labelled = (name: string, component: string) => ({
  'app.kubernetes.io/name': name,
  'app.kubernetes.io/instance': name,
  'app.kubernetes.io/component': component,
  'app.kubernetes.io/part-of': name,
  'app.kubernetes.io/version': '1.0.0',
})
const rule = (apiGroups: string[], resources: string[], verbs: string[], resourceNames?: string[]): Kubernetes => ({
  apiGroups,
  resources,
  verbs,
  ...(resourceNames ? { resourceNames } : {}),
})
const read = ['get', 'list', 'watch']
const answering = (name: string): Kubernetes => ({
  command: ['sh', '-c', `mkdir -p /tmp/www && echo ${name} >/tmp/www/index.html && exec httpd -f -p 8000 -h /tmp/www`],
})

/** The one with an admission webhook, whose certificate two Jobs make; it keeps clients' addresses (policy Local). */
export function withWebhook(namespace: string): Kubernetes[] {
  const labels = labelled('edge', 'controller')
  const of = (name: string) => ({ name, namespace, labels })
  const subjects = [{ kind: 'ServiceAccount', name: 'edge', namespace }]
  const rbac = 'rbac.authorization.k8s.io'
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    { apiVersion: 'v1', kind: 'ServiceAccount', automountServiceAccountToken: true, metadata: of('edge') },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: of('edge-settings'), data: { 'allow-snippets': 'false' } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: namespace, labels },
      rules: [
        rule([''], ['configmaps', 'endpoints', 'nodes', 'pods', 'secrets', 'namespaces'], ['list', 'watch']),
        rule(['coordination.k8s.io'], ['leases'], ['list', 'watch']),
        rule(['networking.k8s.io'], ['ingresses', 'ingressclasses'], read),
        rule([''], ['services'], read),
        rule([''], ['events'], ['create', 'patch']),
        rule(['networking.k8s.io'], ['ingresses/status'], ['update']),
        rule(['discovery.k8s.io'], ['endpointslices'], read),
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: namespace, labels },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: namespace },
      subjects,
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: of('edge'),
      rules: [
        rule([''], ['configmaps', 'pods', 'secrets', 'endpoints', 'services'], read),
        rule(['coordination.k8s.io'], ['leases'], ['get', 'update'], ['edge-leader']),
        rule(['coordination.k8s.io'], ['leases'], ['create']),
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: of('edge'),
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'edge' },
      subjects,
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: of('edge-controller'),
      spec: {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        ports: [
          { appProtocol: 'http', name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' },
          { appProtocol: 'https', name: 'https', port: 443, protocol: 'TCP', targetPort: 'https' },
        ],
        selector: labels,
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: of('edge-admission'),
      spec: {
        type: 'ClusterIP',
        ports: [{ appProtocol: 'https', name: 'webhook', port: 443, targetPort: 'webhook' }],
        selector: labels,
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: of('edge-controller'),
      spec: {
        minReadySeconds: 0,
        revisionHistoryLimit: 10,
        selector: { matchLabels: labels },
        strategy: { rollingUpdate: { maxUnavailable: 1 }, type: 'RollingUpdate' },
        template: {
          metadata: { labels },
          spec: {
            automountServiceAccountToken: true,
            dnsPolicy: 'ClusterFirst',
            nodeSelector: { 'kubernetes.io/os': 'linux' },
            serviceAccountName: 'edge',
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'controller',
                image,
                imagePullPolicy: 'IfNotPresent',
                ...answering('edge'),
                env: [
                  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                  { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
                ],
                ports: [
                  { containerPort: 8000, name: 'http', protocol: 'TCP' },
                  { containerPort: 8443, name: 'https', protocol: 'TCP' },
                  { containerPort: 9443, name: 'webhook', protocol: 'TCP' },
                ],
                readinessProbe: {
                  failureThreshold: 3,
                  httpGet: { path: '/', port: 8000, scheme: 'HTTP' },
                  periodSeconds: 1,
                },
                resources: { requests: { cpu: '10m', memory: '20Mi' } },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
                  runAsNonRoot: true,
                  runAsUser: 101,
                  seccompProfile: { type: 'RuntimeDefault' },
                },
                volumeMounts: [{ mountPath: '/usr/local/certificates/', name: 'webhook-cert', readOnly: true }],
              },
            ],
            volumes: [{ name: 'webhook-cert', secret: { secretName: 'edge-admission' } }],
          },
        },
      },
    },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: of('edge-admission-create'),
      spec: {
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: 'OnFailure',
            securityContext: { runAsNonRoot: true, runAsUser: 2000, fsGroup: 2000 },
            containers: [{ name: 'create', image, command: ['true'] }],
          },
        },
      },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: of('edge-admission'), data: { cert: '', key: '', ca: '' } },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'edge', labels },
      spec: { controller: 'k8s.io/edge' },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'edge-admission', labels },
      webhooks: [
        {
          admissionReviewVersions: ['v1'],
          clientConfig: { service: { name: 'edge-admission', namespace, path: '/ingresses', port: 443 } },
          failurePolicy: 'Ignore',
          matchPolicy: 'Equivalent',
          name: 'validate.edge.example',
          rules: [
            {
              apiGroups: ['networking.k8s.io'],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['ingresses'],
            },
          ],
          sideEffects: 'None',
          timeoutSeconds: 1,
        },
      ],
    },
    ingressOf('edge', 'edge'),
  ]
}

/** The one with custom resources of its own; its Service asks for an address of the pool. */
export function withCustomResources(namespace: string): Kubernetes[] {
  const labels = labelled('router', 'proxy')
  const group = 'routers.example'
  const of = (name: string) => ({ name, namespace, labels })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `ingressroutes.${group}` },
      spec: {
        group,
        names: {
          kind: 'IngressRoute',
          listKind: 'IngressRouteList',
          plural: 'ingressroutes',
          singular: 'ingressroute',
        },
        scope: 'Namespaced',
        versions: [{ name: 'v1alpha1', served: true, storage: true, schema: { openAPIV3Schema: routeSchema } }],
      },
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: of('router') },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: `router-${namespace}`, labels },
      rules: [
        rule([''], ['services', 'secrets', 'nodes'], read),
        rule(['discovery.k8s.io'], ['endpointslices'], ['list', 'watch']),
        rule(['extensions', 'networking.k8s.io'], ['ingresses', 'ingressclasses'], read),
        rule(['extensions', 'networking.k8s.io'], ['ingresses/status'], ['update']),
        rule([group], ['ingressroutes'], read),
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `router-${namespace}`, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `router-${namespace}` },
      subjects: [{ kind: 'ServiceAccount', name: 'router', namespace }],
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'router', labels, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'false' } },
      spec: { controller: `${group}/ingress-controller` },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: of('router'),
      spec: {
        type: 'LoadBalancer',
        selector: { 'app.kubernetes.io/name': 'router' },
        ports: [{ port: 80, name: 'web', targetPort: 'web', protocol: 'TCP' }],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: of('router'),
      spec: {
        replicas: 1,
        selector: { matchLabels: { 'app.kubernetes.io/name': 'router' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        template: {
          metadata: { labels, annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9100' } },
          spec: {
            serviceAccountName: 'router',
            terminationGracePeriodSeconds: 1,
            hostNetwork: false,
            containers: [
              {
                name: 'router',
                image,
                ...answering('router'),
                ports: [{ name: 'web', containerPort: 8000, protocol: 'TCP' }],
                readinessProbe: { httpGet: { path: '/', port: 8000 }, periodSeconds: 1, timeoutSeconds: 2 },
                livenessProbe: { httpGet: { path: '/', port: 8000 }, failureThreshold: 3, periodSeconds: 10 },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ['ALL'] },
                  readOnlyRootFilesystem: true,
                },
                volumeMounts: [
                  { name: 'data', mountPath: '/data' },
                  { name: 'tmp', mountPath: '/tmp' },
                ],
              },
            ],
            volumes: [
              { name: 'data', emptyDir: {} },
              { name: 'tmp', emptyDir: {} },
            ],
            securityContext: { runAsGroup: 65532, runAsNonRoot: true, runAsUser: 65532 },
          },
        },
      },
    },
    ingressOf('router', 'router'),
  ]
}

const routeSchema = {
  type: 'object',
  required: ['metadata', 'spec'],
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      required: ['routes'],
      properties: {
        entryPoints: { type: 'array', items: { type: 'string' } },
        routes: {
          type: 'array',
          items: {
            type: 'object',
            required: ['match'],
            properties: {
              match: { type: 'string' },
              priority: { type: 'integer' },
              services: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    name: { type: 'string' },
                    port: {
                      anyOf: [{ type: 'integer' }, { type: 'string' }],
                      pattern: '^[1-9]\\d*$|^[a-z-]+$',
                      'x-kubernetes-int-or-string': true,
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
}

/** An Ingress of a class that is not ours: whoever took it would answer 503. */
const ingressOf = (name: string, ingressClassName: string): Kubernetes => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, namespace: 'default' },
  spec: {
    ingressClassName,
    rules: [
      {
        host: `${name}.example`,
        http: {
          paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'nowhere', port: { number: 80 } } } }],
        },
      },
    ],
  },
})
