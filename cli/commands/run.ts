import type { Pod, Service } from '../../src/api/kinds.ts'
import { isStatus } from '../../src/api/status-error.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { createObject, createOptions } from '../create-object.ts'
import { deleteObject } from '../delete-objects.ts'
import { durationMs } from '../durations.ts'
import { portNumber, serviceTarget } from '../generators/services.ts'
import { parsePairs } from '../key-values.ts'
import { overridden, overrideOptions } from '../overrides.ts'
import { podPath, podResource } from '../pods.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { namespaceOptions } from '../targets.ts'
import { dryRunOf } from '../write-options.ts'
import { waitForPod } from '../wait-for-pod.ts'
import { attach } from './attach.ts'

export const runCommand: CommandDefinition = {
  name: 'run',
  arguments: '<name> [arguments...]',
  summary: 'Run an image in a pod',
  takesRest: true,
  options: [
    ...namespaceOptions,
    { flags: '--image <image>', summary: 'image to run' },
    { flags: '--image-pull-policy <policy>', summary: 'Always, IfNotPresent or Never' },
    { flags: '--port <port>', summary: 'port that the container listens on' },
    { flags: '--expose', summary: 'make a service for the port too' },
    { flags: '--env <name=value>', summary: 'environment variable', repeatable: true },
    { flags: '-l, --labels <key=value,...>', summary: 'labels of the pod (default run=<name>)', repeatable: true },
    { flags: '--annotations <key=value>', summary: 'annotations of the pod', repeatable: true },
    { flags: '--restart <policy>', summary: 'Always, OnFailure or Never', default: 'Always' },
    { flags: '--command', summary: 'what follows is the command, not its arguments' },
    { flags: '--privileged', summary: 'with all privileges of the node' },
    ...overrideOptions,
    { flags: '--leave-stdin-open', summary: 'the first to leave does not end its standard input' },
    { flags: '-i, --stdin', summary: 'keep standard input open, and attach' },
    { flags: '-t, --tty', summary: 'with a terminal' },
    { flags: '--attach', summary: 'attach to the pod' },
    { flags: '--rm', summary: 'remove the pod when the attached command ends' },
    { flags: '-q, --quiet', summary: "print only the container's own output" },
    { flags: '--pod-running-timeout <duration>', summary: 'how long to wait for the pod', default: '1m0s' },
    { flags: '--grace-period <seconds>', summary: 'with --rm: seconds that it gets to end', integer: true },
    ...createOptions,
  ],
  examples: `Examples:
  stormo run web --image=web:1 --port=8080 --expose
  stormo run -it --rm shell --image=busybox:1 -- sh`,
  run: (invocation) => withClient(invocation, (client) => run(invocation, client)),
}

async function run(invocation: Invocation, client: RestClient): Promise<number> {
  const attaches =
    option.flag(invocation, 'attach') || option.flag(invocation, 'stdin') || option.flag(invocation, 'tty')
  if (option.flag(invocation, 'rm') && !attaches)
    throw new UsageError('--rm should only be used for attached containers')
  const pod = await overridden(invocation, buildPod(invocation))
  const how = dryRunOf(invocation)
  if (attaches && how !== 'none') throw new UsageError('--dry-run=[server|client] cannot be used with --attach')
  // An attached session prints only what the container prints.
  const quiet = attaches ? { ...invocation, io: { ...invocation.io, out: () => {} } } : invocation
  const created = (await createObject(quiet, client, podResource, pod)) as Pod
  if (option.flag(invocation, 'expose')) await createObject(quiet, client, serviceTarget, buildService(invocation, pod))
  if (!attaches) return 0
  try {
    return await attachAndFinish(invocation, client, created)
  } finally {
    if (option.flag(invocation, 'rm')) await removePod(invocation, client, created)
  }
}

/** The pod that the options describe. Throws UsageError for what makes no sense. */
export function buildPod(invocation: Invocation): Pod {
  const [name = '', ...words] = invocation.args
  const image = option.text(invocation, 'image')
  if (!image) throw new UsageError('required flag(s) "image" not set')
  const restartPolicy = option.text(invocation, 'restart') ?? 'Always'
  if (!['Always', 'OnFailure', 'Never'].includes(restartPolicy))
    throw new UsageError(`invalid restart policy: ${restartPolicy}`)
  const labels = parsePairs(option.list(invocation, 'labels'), 'labels')
  const annotations = parsePairs(option.list(invocation, 'annotations'), 'annotations')
  const port = option.text(invocation, 'port')
  const pullPolicy = option.text(invocation, 'imagePullPolicy')
  const given = [...words, ...invocation.rest]
  const stdin = option.flag(invocation, 'stdin')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: Object.keys(labels).length > 0 ? labels : { run: name },
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    spec: {
      containers: [
        {
          name,
          image,
          ...(given.length === 0 ? {} : option.flag(invocation, 'command') ? { command: given } : { args: given }),
          ...(port === undefined ? {} : { ports: [{ containerPort: portNumber(port) }] }),
          ...(pullPolicy ? { imagePullPolicy: pullPolicy } : {}),
          ...(option.list(invocation, 'env').length > 0
            ? { env: option.list(invocation, 'env').map(environmentVariable) }
            : {}),
          ...(option.flag(invocation, 'privileged') ? { securityContext: { privileged: true } } : {}),
          ...(stdin ? { stdin, stdinOnce: !option.flag(invocation, 'leaveStdinOpen') } : {}),
          ...(option.flag(invocation, 'tty') ? { tty: true } : {}),
        },
      ],
      dnsPolicy: 'ClusterFirst',
      restartPolicy,
    },
  }
}

function environmentVariable(text: string): { name: string; value: string } {
  const at = text.indexOf('=')
  if (at <= 0) throw new UsageError(`invalid env: ${text}`)
  return { name: text.slice(0, at), value: text.slice(at + 1) }
}

function buildService(invocation: Invocation, pod: Pod): Service {
  const port = option.text(invocation, 'port')
  if (port === undefined) throw new UsageError('--port must be set when exposing a service')
  const number = portNumber(port)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: pod.metadata.name ?? '' },
    spec: { selector: pod.metadata.labels ?? {}, ports: [{ port: number, targetPort: number, protocol: 'TCP' }] },
  }
}

async function attachAndFinish(invocation: Invocation, client: RestClient, created: Pod): Promise<number> {
  const { io } = invocation
  const path = podPath(created.metadata.namespace ?? '', created.metadata.name ?? '')
  const timeoutMs = durationMs(invocation, 'podRunningTimeout') ?? 60_000
  const hasStarted = (pod: Pod): boolean => !['Pending', undefined].includes(pod.status?.phase)
  const pod = await waitForPod(client, path, hasStarted, timeoutMs, io)
  const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
  if (isOver) {
    // It ended before we could attach: what it wrote is in its log.
    const { text } = await client.send({ path: `${path}/log`, accept: '*/*' })
    io.out(text)
  } else {
    const exitCode = await attach(invocation, client, pod, undefined)
    if (pod.spec?.restartPolicy === 'Always') return exitCode
  }
  if (pod.spec?.restartPolicy !== 'Never') return 0
  const ended = await waitForPod(client, path, isTerminated, timeoutMs, io)
  const terminated = ended.status?.containerStatuses?.[0]?.state?.terminated
  if (terminated && terminated.exitCode !== 0)
    io.err(`pod ${created.metadata.namespace}/${created.metadata.name} terminated (${terminated.reason ?? 'Error'})\n`)
  return terminated?.exitCode ?? 0
}

const isTerminated = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

async function removePod(invocation: Invocation, client: RestClient, pod: Pod): Promise<void> {
  const { name = '', namespace = '' } = pod.metadata
  try {
    await deleteObject(invocation, client, { resource: podResource, namespace, name })
    if (!option.flag(invocation, 'quiet')) invocation.io.out(`pod "${name}" deleted\n`)
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error
  }
}
