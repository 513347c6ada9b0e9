import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { parseDurationMs } from '../../src/lib/duration.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, displayName, pathOf } from '../discovery.ts'
import { printTable } from '../printers/table.ts'
import { rolloutState } from '../printers/rollout-state.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'
import { jsonLines } from '../watch-lines.ts'

interface Subject {
  client: RestClient
  resource: ApiResource
  name: string
  namespace: string
  path: string
}

type Workload = Deployment | StatefulSet | DaemonSet

const mergePatch = 'application/merge-patch+json'
const revisionAnnotation = 'deployment.kubernetes.io/revision'
const changeCause = 'kubernetes.io/change-cause'

function command(
  name: string,
  summary: string,
  options: readonly OptionDefinition[],
  act: (invocation: Invocation, subject: Subject) => Promise<number | void>,
): CommandDefinition {
  return {
    name,
    arguments: '<type/name...>',
    summary,
    options: [...namespaceOptions, ...options],
    run: (invocation) =>
      withClient(invocation, async (client) => {
        const { resource, name: object } = await objectTarget(client, invocation.args)
        const namespace = namespaceOf(invocation, client)
        if (!['deployments', 'statefulsets', 'daemonsets'].includes(resource.resource))
          throw new UsageError(`no rollout for ${resource.resource}: only for deployments, statefulsets and daemonsets`)
        return await act(invocation, {
          client,
          resource,
          name: object,
          namespace,
          path: pathOf(resource, namespace, object),
        })
      }),
  }
}

async function status(invocation: Invocation, { client, resource, name, namespace, path }: Subject): Promise<number> {
  const timeout = option.text(invocation, 'timeout') ?? '0s'
  const timeoutMs = parseDurationMs(timeout)
  if (timeoutMs === undefined) throw new UsageError(`--timeout ${timeout}: must be a duration such as 90s`)
  const signals = [invocation.io.signal, ...(timeoutMs > 0 ? [AbortSignal.timeout(timeoutMs)] : [])]
  const signal = AbortSignal.any(signals)
  const wanted = option.integer(invocation, 'revision')
  let said = ''
  const look = (object: Workload): boolean => {
    if (wanted && Number(object.metadata.annotations?.[revisionAnnotation] ?? 0) !== wanted)
      throw new UsageError(`desired revision (${wanted}) is different from the running revision`)
    const { message, done } = rolloutState(object)
    if (message !== said) invocation.io.out(`${message}\n`)
    said = message
    return done
  }
  try {
    for (;;) {
      const object = await client.json<Workload>({ path })
      if (
        look({ ...object, kind: resource.kind }) ||
        option.flag(invocation, 'noWatch') ||
        invocation.options['watch'] === false
      )
        return 0
      const query = {
        watch: 'true',
        resourceVersion: object.metadata.resourceVersion,
        fieldSelector: `metadata.name=${name}`,
      }
      const answer = await client.stream({ path: pathOf(resource, namespace), query, signal })
      for await (const event of jsonLines<{ type: string; object: Workload }>(answer)) {
        if (event.type === 'DELETED') throw new UsageError(`object has been deleted`)
        if (event.type === 'ERROR') break
        if (look({ ...event.object, kind: resource.kind })) {
          answer.destroy()
          return 0
        }
      }
    }
  } catch (error) {
    if (signal.aborted && !invocation.io.signal.aborted) throw new UsageError('timed out waiting for the condition')
    throw error
  }
}

/** A template that a workload had, with its number and why it was made. */
interface Revision {
  revision: number
  cause: string
  template: unknown
}

async function revisions({ client, resource, name, namespace, path }: Subject): Promise<Revision[]> {
  const owner = await client.json<KubeObject>({ path })
  const isOwned = (object: KubeObject): boolean =>
    object.metadata.ownerReferences?.some((one) => one.uid === owner.metadata.uid) ?? false
  const causeOf = (object: KubeObject): string => object.metadata.annotations?.[changeCause] ?? '<none>'
  if (resource.resource === 'deployments') {
    const { items } = await client.json<{ items: ReplicaSet[] }>({
      path: `/apis/apps/v1/namespaces/${namespace}/replicasets`,
    })
    return items
      .filter(isOwned)
      .map((set) => ({
        revision: Number(set.metadata.annotations?.[revisionAnnotation] ?? 0),
        cause: causeOf(set),
        template: set.spec?.template,
      }))
      .toSorted((a, b) => a.revision - b.revision)
  }
  const { items } = await client.json<{ items: ControllerRevision[] }>({
    path: `/apis/apps/v1/namespaces/${namespace}/controllerrevisions`,
  })
  const found = items.filter(isOwned).map((one) => ({
    revision: one.revision ?? 0,
    cause: causeOf(one),
    template: (one.data as { spec?: { template?: unknown } } | undefined)?.spec?.template,
  }))
  if (found.length === 0) throw new UsageError(`no rollout history found for ${displayName(resource, name)}`)
  return found.toSorted((a, b) => a.revision - b.revision)
}

async function history(invocation: Invocation, subject: Subject): Promise<void> {
  const { io } = invocation
  const found = await revisions(subject)
  const wanted = option.integer(invocation, 'revision')
  io.out(`${displayName(subject.resource, subject.name)} `)
  if (wanted) {
    const { stringify } = await import('yaml')
    const one = found.find(({ revision }) => revision === wanted)
    if (!one) throw new UsageError(`unable to find the specified revision`)
    io.out(`with revision #${wanted}\n${stringify(one.template)}`)
    return
  }
  io.out('\n')
  io.out(
    printTable(
      ['REVISION', 'CHANGE-CAUSE'],
      found.map(({ revision, cause }) => [String(revision), cause]),
    ),
  )
}

async function undo(invocation: Invocation, subject: Subject): Promise<void> {
  const { client, resource, name, path } = subject
  const found = await revisions(subject)
  const asked = option.integer(invocation, 'toRevision') ?? 0
  const target = asked === 0 ? found.at(-2) : found.find(({ revision }) => revision === asked)
  if (!target)
    throw new UsageError(
      asked === 0
        ? `no rollout history found for ${displayName(resource, name)}`
        : `unable to find specified revision ${asked} in history`,
    )
  const current = await client.json<Workload>({ path })
  if ('paused' in (current.spec ?? {}) && (current as Deployment).spec?.paused)
    throw new UsageError(
      `you cannot rollback a paused deployment; resume it first with 'stormo rollout resume' and try again`,
    )
  if (asked !== 0 && target === found.at(-1)) {
    invocation.io.out(
      `${displayName(resource, name)} skipped rollback (current template already matches revision ${asked})\n`,
    )
    return
  }
  const template = structuredClone(target.template) as { metadata?: { labels?: Record<string, string> } }
  delete template.metadata?.labels?.['pod-template-hash']
  const annotations =
    target.cause === '<none>'
      ? []
      : [{ op: 'add', path: `/metadata/annotations/${changeCause.replace('/', '~1')}`, value: target.cause }]
  await client.send({
    method: 'PATCH',
    path,
    body: JSON.stringify([{ op: 'replace', path: '/spec/template', value: template }, ...annotations]),
    contentType: 'application/json-patch+json',
    query: { fieldManager: 'stormo' },
  })
  invocation.io.out(`${displayName(resource, name)} rolled back\n`)
}

async function restart(invocation: Invocation, { client, resource, name, path }: Subject): Promise<void> {
  const body = JSON.stringify({
    spec: {
      template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() } } },
    },
  })
  await client.send({ method: 'PATCH', path, body, contentType: mergePatch, query: { fieldManager: 'stormo' } })
  invocation.io.out(`${displayName(resource, name)} restarted\n`)
}

const pause = (paused: boolean) =>
  async function setPaused(invocation: Invocation, { client, resource, name, path }: Subject): Promise<void> {
    if (resource.resource !== 'deployments') throw new UsageError(`${resource.resource} cannot be paused`)
    const { spec } = await client.json<Deployment>({ path })
    if ((spec?.paused ?? false) === paused)
      throw new UsageError(`${resource.resource}.${resource.group} "${name}" is ${paused ? 'already' : 'not'} paused`)
    await client.send({
      method: 'PATCH',
      path,
      body: JSON.stringify({ spec: { paused } }),
      contentType: mergePatch,
      query: { fieldManager: 'stormo' },
    })
    invocation.io.out(`${displayName(resource, name)} ${paused ? 'paused' : 'resumed'}\n`)
  }

export const rolloutCommand: CommandDefinition = {
  name: 'rollout',
  summary: 'How a workload goes from one template to the next',
  commands: [
    command(
      'status',
      'Wait until the newest template runs everywhere',
      [
        { flags: '--timeout <duration>', summary: 'give up after this', default: '0s' },
        { flags: '--no-watch', summary: 'say how it stands and end' },
        { flags: '--revision <number>', summary: 'of this revision', integer: true },
      ],
      status,
    ),
    command(
      'history',
      'The templates that it had',
      [{ flags: '--revision <number>', summary: 'this one in full', integer: true }],
      history,
    ),
    command(
      'undo',
      'Back to an earlier template',
      [{ flags: '--to-revision <number>', summary: 'which; default the one before', integer: true }],
      undo,
    ),
    command('restart', 'Replace all pods by new ones of the same template', [], restart),
    command('pause', 'Let changes wait', [], pause(true)),
    command('resume', 'Let changes be rolled out again', [], pause(false)),
  ],
}
