import { randomBytes } from 'node:crypto'
import type { Container, EphemeralContainer, Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { debugContainer, type DebugProfile, debugProfiles, nodeDebugger, podCopy } from '../debug-pods.ts'
import { sendPatch } from '../patch-objects.ts'
import { podPath } from '../pods.ts'
import { parsePairs } from '../key-values.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'
import { waitForPod } from '../wait-for-pod.ts'
import { attach } from './attach.ts'

export const debugCommand: CommandDefinition = {
  name: 'debug',
  arguments: '<pod-or-type/name> [arguments...]',
  summary: 'Look into a pod with a container of its own, or into a node with a pod',
  takesRest: true,
  options: [
    ...namespaceOptions,
    { flags: '--image <image>', summary: 'image of the container that looks' },
    { flags: '--image-pull-policy <policy>', summary: 'Always, IfNotPresent or Never' },
    { flags: '-c, --container <name>', summary: 'name of that container (default debugger-…)' },
    { flags: '--target <container>', summary: 'share the processes of this container' },
    { flags: '--env <name=value>', summary: 'environment variable', repeatable: true },
    { flags: '--profile <profile>', summary: `rights: ${debugProfiles.join(', ')}`, default: 'general' },
    { flags: '--copy-to <name>', summary: 'look into a copy of the pod' },
    { flags: '--replace', summary: 'with --copy-to: delete the pod that is copied' },
    { flags: '--same-node', summary: 'with --copy-to: on the same node' },
    { flags: '--share-processes', summary: 'with --copy-to: containers see each other’s processes', default: true },
    { flags: '--no-share-processes', summary: 'with --copy-to: they do not' },
    { flags: '--set-image <container=image>', summary: 'with --copy-to: other images', repeatable: true },
    { flags: '-i, --stdin', summary: 'keep standard input open, and attach' },
    { flags: '-t, --tty', summary: 'with a terminal' },
    { flags: '--attach', summary: 'attach to the container' },
    { flags: '-q, --quiet', summary: "print only the container's own output" },
  ],
  examples: `Examples:
  stormo debug -it web-0 --image=busybox:1 --target=web
  stormo debug web-0 -it --copy-to=web-debug --image=busybox:1 -- sh
  stormo debug node/demo-1 -it --image=busybox:1`,
  run: (invocation) => withClient(invocation, (client) => debug(invocation, client)),
}

async function debug(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const [target = '', ...words] = invocation.args
  const { resource, name } = await objectTarget(client, [target], 'pods')
  const container = containerOf(invocation, [...words, ...invocation.rest])
  const quiet = option.flag(invocation, 'quiet')
  const namespace = namespaceOf(invocation, client)
  let pod: Pod
  if (resource.resource === 'nodes') {
    pod = await create(
      client,
      nodeDebugger(name, `node-debugger-${name}-${suffix()}`, needImage(container), profileOf(invocation)),
      namespace,
    )
    if (!quiet)
      io.err(`Creating debugging pod ${pod.metadata.name} with container ${container.name} on node ${name}.\n`)
  } else if (resource.resource === 'pods') {
    const path = podPath(namespace, name)
    const current = await client.json<Pod>({ path })
    const copyTo = option.text(invocation, 'copyTo')
    pod =
      copyTo === undefined
        ? await addContainer(invocation, client, path, needImage(container))
        : await copy(invocation, client, current, copyTo, container)
  } else throw new UsageError(`"${resource.resource}" not supported by debug`)
  const attaches =
    option.flag(invocation, 'attach') || option.flag(invocation, 'stdin') || option.flag(invocation, 'tty')
  return attaches ? await attachTo(invocation, client, pod, container.name) : 0
}

const suffix = (): string => [...randomBytes(5)].map((byte) => 'bcdfghjklmnpqrstvwxz2456789'[byte % 27]).join('')

function profileOf(invocation: Invocation): DebugProfile {
  const asked = option.text(invocation, 'profile') ?? 'general'
  const found = debugProfiles.find((one) => one === asked)
  if (found === undefined) throw new UsageError(`unknown profile: ${asked}`)
  return found
}

function needImage(container: Container): Container {
  if (!container.image) throw new UsageError('--image is required when not using --copy-to')
  return container
}

function containerOf(invocation: Invocation, given: readonly string[]): Container {
  const { io } = invocation
  const asked = option.text(invocation, 'container')
  const name = asked ?? `debugger-${suffix()}`
  const image = option.text(invocation, 'image')
  if (
    asked === undefined &&
    image !== undefined &&
    !option.flag(invocation, 'quiet') &&
    !/^(?:nodes?|no)\//.test(invocation.args[0] ?? '')
  )
    io.err(`Defaulting debug container name to ${name}.\n`)
  const env = Object.entries(parsePairs(option.list(invocation, 'env'), 'env'))
  const imagePullPolicy = option.text(invocation, 'imagePullPolicy')
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(given.length > 0 ? { command: [...given] } : {}),
    ...(env.length > 0 ? { env: env.map(([key, value]) => ({ name: key, value })) } : {}),
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    ...(option.flag(invocation, 'stdin') ? { stdin: true } : {}),
    ...(option.flag(invocation, 'tty') ? { tty: true } : {}),
  }
}

const create = (client: RestClient, pod: Pod, namespace: string): Promise<Pod> =>
  client.json<Pod>({
    method: 'POST',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
    query: { fieldManager: 'stormo-debug' },
    body: pod,
  })

async function addContainer(
  invocation: Invocation,
  client: RestClient,
  path: string,
  container: Container,
): Promise<Pod> {
  const targetContainerName = option.text(invocation, 'target')
  if (targetContainerName !== undefined && !option.flag(invocation, 'quiet'))
    invocation.io.err(
      `Targeting container "${targetContainerName}". If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n`,
    )
  const added: EphemeralContainer = {
    ...debugContainer(container, profileOf(invocation)),
    ...(targetContainerName === undefined ? {} : { targetContainerName }),
  }
  const body = { spec: { ephemeralContainers: [added] } }
  return (await sendPatch(
    client,
    `${path}/ephemeralcontainers`,
    { type: 'strategic', body },
    { fieldManager: 'stormo-debug' },
  )) as Pod
}

async function copy(
  invocation: Invocation,
  client: RestClient,
  pod: Pod,
  name: string,
  container: Container,
): Promise<Pod> {
  const images = parsePairs(option.list(invocation, 'setImage'), 'set-image')
  const copied = podCopy(pod, {
    name,
    container,
    images,
    profile: profileOf(invocation),
    sharesProcesses: invocation.options['shareProcesses'] !== false,
    sameNode: option.flag(invocation, 'sameNode'),
  })
  const namespace = pod.metadata.namespace ?? ''
  if (option.flag(invocation, 'replace'))
    await client.send({ method: 'DELETE', path: podPath(namespace, pod.metadata.name ?? '') })
  return await create(client, copied, namespace)
}

const startTimeoutMs = 60_000

async function attachTo(invocation: Invocation, client: RestClient, pod: Pod, container: string): Promise<number> {
  const path = podPath(pod.metadata.namespace ?? '', pod.metadata.name ?? '')
  const stateOf = ({ status }: Pod) => {
    const found = [...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])].find(
      (one) => one.name === container,
    )
    return found?.state?.waiting && found.lastState?.terminated ? found.lastState : found?.state
  }
  const hasStarted = (one: Pod): boolean => Boolean(stateOf(one)?.running ?? stateOf(one)?.terminated)
  const started = await waitForPod(client, path, hasStarted, startTimeoutMs, invocation.io)
  if (!stateOf(started)?.terminated) return await attach(invocation, client, started, container)
  // It ended before we could attach: what it wrote is in its log.
  invocation.io.out((await client.send({ path: `${path}/log`, query: { container }, accept: '*/*' })).text)
  return 0
}
