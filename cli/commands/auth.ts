import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { discover, findResource } from '../discovery.ts'
import { toYaml } from '../printers/object.ts'
import { printTable } from '../printers/table.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'
import { reconcileCommand } from './auth-reconcile.ts'

interface UserInfo {
  username?: string
  uid?: string
  groups?: string[]
  extra?: Record<string, string[]>
}

const canICommand: CommandDefinition = {
  name: 'can-i',
  arguments: '[verb] [resource] [name]',
  summary: 'Ask whether something is allowed',
  options: [
    ...namespaceOptions,
    { flags: '--list', summary: 'all that is allowed in the namespace' },
    { flags: '-A, --all-namespaces', summary: 'in all namespaces' },
    { flags: '--subresource <name>', summary: 'a part such as log or scale' },
    { flags: '-q, --quiet', summary: 'only the exit code' },
    { flags: '--no-headers', summary: 'leave the header out' },
  ],
  examples: `Examples:
  stormo auth can-i create pods
  stormo auth can-i --list --as system:serviceaccount:default:web`,
  run: (invocation) =>
    withClient(invocation, (client) =>
      option.flag(invocation, 'list') ? listRules(invocation, client) : canI(invocation, client),
    ),
}

async function canI(invocation: Invocation, client: RestClient): Promise<number> {
  const { io, args } = invocation
  const [verb, target, positionalName] = args
  if (verb === undefined || target === undefined)
    throw new UsageError('you must specify two arguments: verb and resource or verb and resource/resourceName')
  const namespace = option.flag(invocation, 'allNamespaces') ? '' : namespaceOf(invocation, client)
  const attributes = target.startsWith('/')
    ? { nonResourceAttributes: { verb, path: target } }
    : { resourceAttributes: await resourceAttributes(invocation, client, verb, target, positionalName, namespace) }
  const { status } = await client.json<{ status: { allowed: boolean; reason?: string; evaluationError?: string } }>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: attributes },
  })
  if (!option.flag(invocation, 'quiet')) {
    const why = [...(status.reason ? [status.reason] : []), ...(status.evaluationError ? [status.evaluationError] : [])]
    io.out(status.allowed ? 'yes\n' : `no${why.length > 0 ? ` - ${why.join(' - ')}` : ''}\n`)
  }
  return status.allowed ? 0 : 1
}

async function resourceAttributes(
  invocation: Invocation,
  client: RestClient,
  verb: string,
  target: string,
  positionalName: string | undefined,
  namespace: string,
): Promise<Record<string, string | undefined>> {
  const [type = '', name = positionalName] = target.split('/')
  const subresource = option.text(invocation, 'subresource')
  if (type === '*') return { namespace, verb, group: '*', resource: '*', name, subresource }
  const resources = await discover(client)
  try {
    const found = findResource(resources, type)
    if (!found.namespaced && namespace !== '')
      invocation.io.err(
        `Warning: resource '${found.resource}' is not namespace scoped${found.group ? ` in group '${found.group}'` : ''}\n\n`,
      )
    return {
      namespace: found.namespaced ? namespace : '',
      verb,
      group: found.group,
      resource: found.resource,
      name,
      subresource,
    }
  } catch {
    const [resource = '', ...group] = type.split('.')
    invocation.io.err(`Warning: the server doesn't have a resource type '${type}'\n\n`)
    return { namespace, verb, group: group.join('.'), resource, name, subresource }
  }
}

interface Rules {
  resourceRules?: { verbs: string[]; apiGroups?: string[]; resources?: string[]; resourceNames?: string[] }[]
  nonResourceRules?: { verbs: string[]; nonResourceURLs?: string[] }[]
  incomplete?: boolean
  evaluationError?: string
}

async function listRules(invocation: Invocation, client: RestClient): Promise<number> {
  const { status } = await client.json<{ status: Rules }>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace: namespaceOf(invocation, client) },
    },
  })
  if (status.incomplete) invocation.io.err(`warning: the list may be incomplete: ${status.evaluationError ?? ''}\n`)
  const brackets = (list: readonly string[] = []): string => `[${list.join(' ')}]`
  const rows = [
    ...(status.resourceRules ?? []).flatMap((rule) =>
      (rule.resources ?? []).flatMap((resource) =>
        (rule.apiGroups ?? ['']).map((group) => [
          group === '' || resource === '*'
            ? group === ''
              ? resource
              : `${resource}.${group}`
            : `${resource}.${group}`,
          '[]',
          brackets(rule.resourceNames),
          brackets(rule.verbs),
        ]),
      ),
    ),
    ...(status.nonResourceRules ?? []).map((rule) => ['', brackets(rule.nonResourceURLs), '[]', brackets(rule.verbs)]),
  ]
  const header = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs']
  invocation.io.out(printTable(invocation.options['headers'] === false ? [] : header, rows))
  return 0
}

const whoAmICommand: CommandDefinition = {
  name: 'whoami',
  summary: 'Who the server takes us for',
  options: [...connectionOptions, { flags: '-o, --output <format>', summary: 'json or yaml' }],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const review = await client.json<{ status: { userInfo: UserInfo } }>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      })
      const output = option.text(invocation, 'output')
      if (output === 'json') return invocation.io.out(JSON.stringify(review, null, 4) + '\n')
      if (output === 'yaml') return invocation.io.out(toYaml(review))
      const { username, uid, groups, extra } = review.status.userInfo
      const rows = [
        ['Username', username ?? ''],
        ...(uid ? [['UID', uid]] : []),
        ...(groups?.length ? [['Groups', `[${groups.join(' ')}]`]] : []),
        ...Object.entries(extra ?? {}).map(([key, values]) => [`Extra: ${key}`, `[${values.join(' ')}]`]),
      ]
      invocation.io.out(printTable(['ATTRIBUTE', 'VALUE'], rows))
    }),
}

export const authCommand: CommandDefinition = {
  name: 'auth',
  summary: 'Who may do what',
  commands: [canICommand, reconcileCommand, whoAmICommand],
}
