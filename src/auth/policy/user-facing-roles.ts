import type { ClusterRole } from '../../api/kinds.ts'
import { aggregatedRole, aggregateTo, clusterRole, pathRule, read, rule, write } from './rule.ts'

const workloads =
  'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale'
const readableWorkloads = `controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status`
const readableCore =
  'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status'
const readableUsage =
  'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status'

/** Roles that people are given: cluster-admin, and admin ⊃ edit ⊃ view by aggregation, open to CRDs' own roles. */
export const userFacingRoles: readonly ClusterRole[] = [
  clusterRole('cluster-admin', [rule('*', '*', '*'), pathRule('*', '*')]),

  aggregatedRole('admin', 'admin'),
  aggregatedRole('edit', 'edit', aggregateTo('admin')),
  aggregatedRole('view', 'view', aggregateTo('edit')),

  clusterRole(
    'system:aggregate-to-admin',
    [
      rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
      rule(`${read} ${write}`, 'rbac.authorization.k8s.io', 'roles rolebindings'),
    ],
    aggregateTo('admin'),
  ),

  clusterRole(
    'system:aggregate-to-edit',
    [
      rule(read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
      rule('impersonate', 'core', 'serviceaccounts'),
      rule(write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
      rule('create', 'core', 'pods/eviction'),
      rule(
        write,
        'core',
        'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
      ),
      rule('create', 'core', 'serviceaccounts/token'),
      rule(write, 'apps', workloads),
      rule(write, 'autoscaling', 'horizontalpodautoscalers'),
      rule(write, 'batch', 'cronjobs jobs'),
      rule(write, 'policy', 'poddisruptionbudgets'),
      rule(write, 'networking.k8s.io', 'ingresses networkpolicies'),
      rule(`${write} get list watch`, 'coordination.k8s.io', 'leases'),
      rule(write, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
    ],
    aggregateTo('edit'),
  ),

  clusterRole(
    'system:aggregate-to-view',
    [
      rule(read, 'core', readableCore),
      rule(read, 'core', readableUsage),
      rule(read, 'core', 'namespaces'),
      rule(read, 'discovery.k8s.io', 'endpointslices'),
      rule(read, 'apps', readableWorkloads),
      rule(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
      rule(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
      rule(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
      rule(read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
      rule(read, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
    ],
    aggregateTo('view'),
  ),
]

/** What metrics-server would bring along: who may view may see what pods use. */
export const metricsReaderRole: ClusterRole = clusterRole(
  'system:aggregated-metrics-reader',
  [rule(read, 'metrics.k8s.io', 'nodes pods')],
  { ...aggregateTo('admin'), ...aggregateTo('edit'), ...aggregateTo('view') },
)

/** Roles that everybody gets, by group. */
export const discoveryRoles: readonly ClusterRole[] = [
  clusterRole('system:discovery', [
    pathRule('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/'),
  ]),
  clusterRole('system:public-info-viewer', [pathRule('get', '/healthz /livez /readyz /version /version/')]),
  clusterRole('system:basic-user', [
    rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
  ]),
  clusterRole('system:service-account-issuer-discovery', [
    pathRule(
      'get',
      '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
    ),
  ]),
  clusterRole('system:monitoring', [
    pathRule('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'),
  ]),
]
