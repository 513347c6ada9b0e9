import type { ClusterRole, RoleBinding } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { liveObject } from '../apply/apply-object.ts'
import { type Reconciliation, reconcileBinding, reconcileRole } from '../auth/reconcile.ts'
import { type CommandDefinition, type Invocation, option } from '../command.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOptions } from '../targets.ts'
import { dryRunOf, writeOptions } from '../write-options.ts'
import {
  fileOptions,
  type ManifestVerb,
  pathOfManifest,
  type PreparedManifest,
  writeManifests,
  writeQuery,
} from '../write-manifests.ts'

export const reconcileCommand: CommandDefinition = {
  name: 'reconcile',
  summary: 'Make roles and bindings grant at least what the manifests say',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...writeOptions,
    { flags: '--remove-extra-permissions', summary: 'take rules away that roles have besides' },
    { flags: '--remove-extra-subjects', summary: 'take subjects away that bindings have besides' },
  ],
  examples: `Examples:
  stormo auth reconcile -f rbac.yaml --dry-run=client`,
  run: (invocation) => writeManifests(invocation, 'reconciling', reconcile),
}

const group = 'rbac.authorization.k8s.io/'

const reconcile: ManifestVerb = async (invocation, client, manifest) => {
  const { object } = manifest
  if (!object.apiVersion?.startsWith(group)) return undefined
  const live = await liveObject(client, pathOfManifest(manifest))
  const isRole = object.kind === 'Role' || object.kind === 'ClusterRole'
  const removeExtra = option.flag(invocation, isRole ? 'removeExtraPermissions' : 'removeExtraSubjects')
  const found = isRole
    ? reconcileRole(live as ClusterRole | undefined, object as ClusterRole, removeExtra)
    : reconcileBinding(live as RoleBinding | undefined, object as RoleBinding, removeExtra)
  const written = dryRunOf(invocation) === 'client' ? found.object : await write(invocation, client, manifest, found)
  return { said: 'reconciled', object: written, notes: notesOf(found, isRole ? 'rules' : 'subjects', removeExtra) }
}

async function write(
  invocation: Invocation,
  client: RestClient,
  manifest: PreparedManifest,
  { operation, object }: Reconciliation,
): Promise<KubeObject> {
  const { resource, namespace } = manifest
  const path = pathOfManifest(manifest)
  const query = writeQuery(invocation)
  const create = async (body: KubeObject): Promise<KubeObject> => {
    if (resource.namespaced && dryRunOf(invocation) === 'none') await needNamespace(client, namespace)
    return await client.json<KubeObject>({ method: 'POST', path: pathOf(resource, namespace), query, body })
  }
  switch (operation) {
    case 'none':
      return object
    case 'create':
      return await create(object)
    case 'update':
      return await client.json<KubeObject>({ method: 'PUT', path, query, body: object })
    case 'recreate': {
      const { resourceVersion: _, uid, ...metadata } = object.metadata
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } }
      await client.send({ method: 'DELETE', path, query: { dryRun: query['dryRun'] }, body })
      // What a dry run deletes is still there.
      return query['dryRun'] ? object : await create({ ...object, metadata })
    }
  }
}

/** Roles may come before the namespace that they are for. */
async function needNamespace(client: RestClient, name: string): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
  await client.send({ method: 'POST', path: '/api/v1/namespaces', body }).catch((error: unknown) => {
    if (!isStatus(error, 'AlreadyExists', 'Forbidden')) throw error
  })
}

function notesOf(
  { operation, missing, extra }: Reconciliation,
  what: 'rules' | 'subjects',
  removeExtra: boolean,
): string {
  if (operation === 'none') return ''
  const listed = (title: string, list: Reconciliation['missing']): string =>
    list.length === 0 ? '' : [`\t${title}:`, ...list.map((one) => `\t\t${textOf(one)}`), ''].join('\n')
  return [
    `\treconciliation required ${operation}\n`,
    listed(`missing ${what} added`, missing),
    removeExtra ? listed(`extra ${what} removed`, extra) : '',
  ].join('')
}

/** As Go prints the structs. */
const textOf = (one: Reconciliation['missing'][number]): string => {
  const list = (values: readonly string[] = []): string => `[${values.join(' ')}]`
  return 'verbs' in one
    ? `{Verbs:${list(one.verbs)} APIGroups:${list(one.apiGroups)} Resources:${list(one.resources)} ResourceNames:${list(one.resourceNames)} NonResourceURLs:${list(one.nonResourceURLs)}}`
    : `{Kind:${one.kind} APIGroup:${one.apiGroup ?? ''} Name:${one.name} Namespace:${one.namespace ?? ''}}`
}
