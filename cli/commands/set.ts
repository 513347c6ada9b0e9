import type { Container, EnvVar, Pod, PodSpec } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { parsePairs } from '../key-values.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'

type PodBearer = KubeObject & { spec?: { template?: Pod; jobTemplate?: { spec?: { template?: Pod } } } }

/** Where an object's pod spec is: the path of its keys. */
function podSpecPath(object: PodBearer): string[] {
  if (object.kind === 'Pod') return ['spec']
  if (object.spec?.jobTemplate) return ['spec', 'jobTemplate', 'spec', 'template', 'spec']
  if (object.spec?.template) return ['spec', 'template', 'spec']
  throw new UsageError(`${object.kind} ${object.metadata.name} has no pod template`)
}

const at = (object: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)

const nested = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value)

/** Changes of one container, as a strategic merge patch of it; undefined leaves it. */
type Change = (container: Container) => Record<string, unknown> | undefined

interface SetVerb {
  name: string
  summary: string
  done: string
  examples: string
  options: readonly OptionDefinition[]
  /** Splits what is no object off the arguments, and says what to do. */
  read(invocation: Invocation): { objects: string[]; change: Change; mustFind?: readonly string[] }
}

function command({ name, summary, done, examples, options, read }: SetVerb): CommandDefinition {
  return {
    name,
    arguments: '<type/name...>',
    summary,
    examples,
    options: [...namespaceOptions, ...options],
    run: (invocation) =>
      withClient(invocation, async (client) => {
        const { objects, change, mustFind = [] } = read(invocation)
        const { targets } = await targetsOf(client, objects)
        for (const { resource, name: object } of targets) {
          if (object === undefined) throw new UsageError('name the objects, for example: deployment/web')
          const path = pathOf(resource, namespaceOf(invocation, client), object)
          const current = await client.json<PodBearer>({ path })
          const isListed = option.flag(invocation, 'list')
          if (isListed) listEnvironment(invocation, resource.resource, current)
          else if (await applyChange(client, path, current, change, mustFind))
            invocation.io.out(`${displayName(resource, object)} ${done}\n`)
        }
      }),
  }
}

/** Returns whether anything was to be changed. */
async function applyChange(
  client: RestClient,
  path: string,
  object: PodBearer,
  change: Change,
  mustFind: readonly string[],
): Promise<boolean> {
  const place = podSpecPath(object)
  const { containers = [], initContainers = [] } = (at(object, place) ?? {}) as Partial<PodSpec>
  for (const wanted of mustFind)
    if (![...containers, ...initContainers].some(({ name }) => name === wanted))
      throw new UsageError(`unable to find container named "${wanted}"`)
  const patchOf = (list: readonly Container[]): Record<string, unknown>[] =>
    list.flatMap((container) => {
      const changed = change(container)
      return changed ? [{ name: container.name, ...changed }] : []
    })
  const [main, init] = [patchOf(containers), patchOf(initContainers)]
  const patch = {
    ...(main.length > 0 ? { containers: main } : {}),
    ...(init.length > 0 ? { initContainers: init } : {}),
  }
  if (main.length + init.length === 0) return false
  const { metadata } = await client.json<KubeObject>({
    method: 'PATCH',
    path,
    body: JSON.stringify(nested(place, patch)),
    contentType: 'application/strategic-merge-patch+json',
    query: { fieldManager: 'stormo' },
  })
  return metadata.resourceVersion !== object.metadata.resourceVersion
}

function listEnvironment({ io }: Invocation, type: string, object: PodBearer): void {
  const { containers = [] } = (at(object, podSpecPath(object)) ?? {}) as Partial<PodSpec>
  for (const { name, env = [] } of containers) {
    io.out(`# ${type} ${object.metadata.name}, container ${name}\n`)
    for (const variable of env)
      io.out(variable.valueFrom ? `# ${variable.name} from its source\n` : `${variable.name}=${variable.value ?? ''}\n`)
  }
}

const isAssignment = (word: string): boolean => /^[^/=]+=/.test(word)

const containerOption: OptionDefinition = {
  flags: '-c, --containers <names>',
  summary: 'of these containers (default all)',
}

function chosen(invocation: Invocation): (container: Container) => boolean {
  const names = option.text(invocation, 'containers')?.split(',') ?? ['*']
  return ({ name }) => names.includes('*') || names.includes(name)
}

const setImage: SetVerb = {
  name: 'image',
  summary: 'Set the image of containers',
  done: 'image updated',
  examples: `Examples:
  stormo set image deployment/web web=web:2`,
  options: [],
  read({ args }) {
    const pairs = args.filter(isAssignment).map((word) => word.split(/=(.*)/s) as [string, string])
    if (pairs.length === 0) throw new UsageError('at least one image update is required: container=image')
    const images = new Map(pairs)
    const change: Change = ({ name }) => {
      const image = images.get(name) ?? images.get('*')
      return image === undefined ? undefined : { image }
    }
    return {
      objects: args.filter((word) => !isAssignment(word)),
      change,
      mustFind: [...images.keys()].filter((name) => name !== '*'),
    }
  },
}

const setEnvironment: SetVerb = {
  name: 'env',
  summary: 'Set, remove or list environment variables',
  done: 'env updated',
  examples: `Examples:
  stormo set env deployment/web LEVEL=debug OLD-
  stormo set env deployment/web --list`,
  options: [containerOption, { flags: '--list', summary: 'print what is set' }],
  read(invocation) {
    const { args } = invocation
    const isRemoval = (word: string): boolean => /^[A-Za-z_.][\w.]*-$/.test(word)
    const isObject = (word: string): boolean => !isAssignment(word) && !isRemoval(word)
    const env = args
      .filter((word) => !isObject(word))
      .map((word): EnvVar | { name: string; $patch: 'delete' } => {
        if (isRemoval(word)) return { name: word.slice(0, -1), $patch: 'delete' }
        const [name = '', value = ''] = word.split(/=(.*)/s)
        return { name, value }
      })
    if (env.length === 0 && !option.flag(invocation, 'list'))
      throw new UsageError('at least one environment variable must be provided')
    const isChosen = chosen(invocation)
    return { objects: args.filter(isObject), change: (container) => (isChosen(container) ? { env } : undefined) }
  },
}

const setResources: SetVerb = {
  name: 'resources',
  summary: 'Set requests and limits of containers',
  done: 'resource requirements updated',
  examples: `Examples:
  stormo set resources deployment/web --requests=cpu=100m --limits=memory=64Mi`,
  options: [
    containerOption,
    { flags: '--limits <resources>', summary: 'most that a container may use: cpu=1,memory=64Mi' },
    { flags: '--requests <resources>', summary: 'what is kept free for a container' },
  ],
  read(invocation) {
    const list = (name: 'limits' | 'requests') => {
      const text = option.text(invocation, name)
      return text === undefined ? {} : { [name]: parsePairs([text], `--${name}`) }
    }
    const resources = { ...list('limits'), ...list('requests') }
    if (Object.keys(resources).length === 0)
      throw new UsageError('you must specify an update to requests or limits (in the form of --requests/--limits)')
    const isChosen = chosen(invocation)
    return { objects: invocation.args, change: (container) => (isChosen(container) ? { resources } : undefined) }
  },
}

export const setCommand: CommandDefinition = {
  name: 'set',
  summary: 'Change images, environment or resources of workloads',
  commands: [command(setImage), command(setEnvironment), command(setResources)],
}
