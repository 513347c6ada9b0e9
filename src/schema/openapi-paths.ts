import { type Dialect, reference } from './openapi-schema.ts'
import type { OpenApiResource } from './openapi.ts'

type Json = Record<string, unknown>

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** What one operation is, before it is written in either dialect. */
interface Operation {
  verb: string
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** x-kubernetes-action. */
  action: string
  operationId: string
  gvk: Json
  parameters: readonly QueryParameter[]
  body: string | undefined
  answer: string
}

interface QueryParameter {
  name: string
  type: 'string' | 'boolean' | 'integer'
}

const text = (name: string): QueryParameter => ({ name, type: 'string' })
const flag = (name: string): QueryParameter => ({ name, type: 'boolean' })
const integer = (name: string): QueryParameter => ({ name, type: 'integer' })

const writeParameters = [text('dryRun'), text('fieldManager'), text('fieldValidation')]
const listParameters = [
  flag('allowWatchBookmarks'),
  text('continue'),
  text('fieldSelector'),
  text('labelSelector'),
  integer('limit'),
  text('resourceVersion'),
  text('resourceVersionMatch'),
  flag('sendInitialEvents'),
  integer('timeoutSeconds'),
  flag('watch'),
]
const deleteParameters = [
  text('dryRun'),
  integer('gracePeriodSeconds'),
  flag('ignoreStoreReadErrorWithClusterBreakingPotential'),
  flag('orphanDependents'),
  text('propagationPolicy'),
]

interface VerbShape {
  method: Operation['method']
  action: string
  prefix: string
  onItem: boolean
  parameters: readonly QueryParameter[]
}

const verbShapes: Readonly<Record<string, VerbShape>> = {
  get: { method: 'get', action: 'get', prefix: 'read', onItem: true, parameters: [] },
  list: { method: 'get', action: 'list', prefix: 'list', onItem: false, parameters: listParameters },
  create: { method: 'post', action: 'post', prefix: 'create', onItem: false, parameters: writeParameters },
  update: { method: 'put', action: 'put', prefix: 'replace', onItem: true, parameters: writeParameters },
  patch: {
    method: 'patch',
    action: 'patch',
    prefix: 'patch',
    onItem: true,
    parameters: [...writeParameters, flag('force')],
  },
  delete: { method: 'delete', action: 'delete', prefix: 'delete', onItem: true, parameters: deleteParameters },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    prefix: 'deleteCollection',
    onItem: false,
    parameters: [...deleteParameters, ...listParameters],
  },
  connect: { method: 'get', action: 'connect', prefix: 'connect', onItem: true, parameters: [] },
}

/** Every path of one resource, with its subresources, keyed by the URL template. */
export function resourcePaths(
  resource: OpenApiResource,
  names: { kind: string; list: string; subresources: ReadonlyMap<string, string> },
  dialect: Dialect,
): Json {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const scope = resource.namespaced ? `${root}/namespaces/{namespace}` : root
  const collection = `${scope}/${resource.resource}`
  const gvk = { group: resource.group, version: resource.version, kind: resource.kind }
  const operations = resource.verbs.flatMap((verb) => {
    const shape = verbShapes[verb]
    return shape ? [{ shape, operation: mainOperation(verb, shape, resource, names, gvk) }] : []
  })
  const of = (onItem: boolean) =>
    operations.filter(({ shape }) => shape.onItem === onItem).map(({ operation }) => operation)
  const paths: Json = {}
  const add = (path: string, list: readonly Operation[]) => {
    if (list.length > 0) paths[path] = pathItem(path, list, resource, dialect)
  }
  add(collection, of(false))
  add(`${collection}/{name}`, of(true))
  if (resource.namespaced) {
    const everywhere = of(false).filter(({ verb }) => verb === 'list')
    add(
      `${root}/${resource.resource}`,
      everywhere.map((one) => ({ ...one, operationId: `${one.operationId}ForAllNamespaces` })),
    )
  }
  for (const subresource of resource.subresources) {
    const body = names.subresources.get(subresource.name) ?? names.kind
    const list = subresource.verbs.flatMap((verb) => {
      const shape = verbShapes[verb]
      if (!shape) return []
      const kind = { group: subresource.group, version: subresource.version, kind: subresource.kind }
      const operation = mainOperation(verb, shape, resource, { kind: body, list: body }, kind)
      return [{ ...operation, operationId: operation.operationId + pascal(subresource.name) }]
    })
    add(`${collection}/{name}/${subresource.name}`, list)
  }
  return paths
}

function mainOperation(
  verb: string,
  shape: VerbShape,
  resource: OpenApiResource,
  names: { kind: string; list: string },
  gvk: Json,
): Operation {
  const bodies: Record<string, string | undefined> = {
    create: names.kind,
    update: names.kind,
    patch: `${meta}.Patch`,
    delete: `${meta}.DeleteOptions`,
    deletecollection: `${meta}.DeleteOptions`,
  }
  const deletes = verb === 'delete' || verb === 'deletecollection'
  return {
    verb,
    method: shape.method,
    action: shape.action,
    operationId: `${shape.prefix}${groupVersionName(resource)}${resource.namespaced ? 'Namespaced' : ''}${resource.kind}`,
    gvk,
    parameters: shape.parameters,
    body: bodies[verb],
    answer: verb === 'list' ? names.list : deletes ? `${meta}.Status` : names.kind,
  }
}

const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

function groupVersionName({ group, version }: OpenApiResource): string {
  const words = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.')
  return words.map(pascal).join('') + pascal(version)
}

function tagOf({ group, version }: OpenApiResource): string {
  return `${group === '' ? 'core' : group.replace(/\.k8s\.io$/, '').replaceAll('.', '')}_${version}`
}

function pathItem(path: string, list: readonly Operation[], resource: OpenApiResource, dialect: Dialect): Json {
  const common = [
    ...(path.includes('{name}') ? [{ ...parameter(text('name'), dialect), in: 'path', required: true }] : []),
    ...(path.includes('{namespace}') ? [{ ...parameter(text('namespace'), dialect), in: 'path', required: true }] : []),
    parameter(text('pretty'), dialect),
  ]
  const operations = list.map((operation) => [operation.method, writeOperation(operation, resource, dialect)])
  return { ...Object.fromEntries(operations), parameters: common }
}

function parameter({ name, type }: QueryParameter, dialect: Dialect): Json {
  const typed = dialect === 'v2' ? { type, uniqueItems: true } : { schema: { type, uniqueItems: true } }
  return { name, in: 'query', ...typed }
}

const answerTypes = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml']
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]

function writeOperation(operation: Operation, resource: OpenApiResource, dialect: Dialect): Json {
  const consumed = operation.verb === 'patch' ? patchTypes : ['*/*']
  const answer = { ...reference(operation.answer, dialect) }
  const codes: Record<string, string> = { '200': 'OK' }
  if (operation.method === 'post' || operation.method === 'put' || operation.method === 'patch')
    codes['201'] = 'Created'
  if (operation.verb === 'create' || operation.verb === 'delete') codes['202'] = 'Accepted'
  const content = Object.fromEntries(answerTypes.map((type) => [type, { schema: answer }]))
  const responses = Object.entries(codes).map(([code, description]) => [
    code,
    dialect === 'v2' ? { description, schema: answer } : { description, content },
  ])
  const query = operation.parameters.map((one) => parameter(one, dialect))
  const required = operation.method !== 'delete'
  const body = operation.body === undefined ? undefined : reference(operation.body, dialect)
  const shared = {
    tags: [tagOf(resource)],
    operationId: operation.operationId,
    responses: { ...Object.fromEntries(responses), '401': { description: 'Unauthorized' } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.gvk,
  }
  if (dialect === 'v2') {
    const bodyParameter = body ? [{ name: 'body', in: 'body', ...(required ? { required } : {}), schema: body }] : []
    return {
      ...shared,
      consumes: consumed,
      produces: answerTypes,
      schemes: ['https'],
      parameters: [...bodyParameter, ...query],
    }
  }
  const bodyContent = Object.fromEntries(consumed.map((type) => [type, { schema: body }]))
  return {
    ...shared,
    parameters: query,
    ...(body ? { requestBody: { ...(required ? { required } : {}), content: bodyContent } } : {}),
  }
}
