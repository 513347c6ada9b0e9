import type { ConfigMap, Container, EnvVar, Secret } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { pathOf } from '../discovery.ts'
import { eachObject, localOption, patchObjects, patchOptions } from '../patch-objects.ts'
import { selectObjects } from '../select-objects.ts'
import { objectTarget, namespaceOf } from '../targets.ts'
import { containersPatch, podSpecOf } from './pod-template.ts'
import { chosenContainers, containerOption, isAssignment } from './words.ts'

type EnvironmentChange = EnvVar | { name: string; $patch: 'delete' }

export const setEnvironmentCommand: CommandDefinition = {
  name: 'env',
  arguments: '[type/name-or-change...]',
  summary: 'Set, remove or list environment variables',
  examples: `Examples:
  stormo set env deployment/web LEVEL=debug OLD-
  stormo set env deployment/web --from=configmap/web --prefix=WEB_
  stormo set env deployment/web --list`,
  options: [
    ...patchOptions,
    localOption,
    containerOption,
    { flags: '-e, --env <name=value>', summary: 'a variable', repeatable: true },
    { flags: '--from <type/name>', summary: 'a config map or secret whose keys become variables' },
    { flags: '--keys <keys>', summary: 'with --from: only these keys' },
    { flags: '--prefix <prefix>', summary: 'with --from: before each name' },
    { flags: '--list', summary: 'print what is set' },
    { flags: '--resolve', summary: 'with --list: values instead of their sources' },
    { flags: '--overwrite', summary: 'change what is there (default true)', default: true },
    { flags: '--no-overwrite', summary: 'change nothing that is there' },
  ],
  async run(invocation) {
    const { args } = invocation
    const objects = { ...invocation, args: args.filter((word) => !isChange(word)) }
    if (option.flag(invocation, 'list')) return await listEnvironment(objects)
    const env = [
      ...changesOf([...args.filter(isChange), ...option.list(invocation, 'env')]),
      ...(await variablesFrom(invocation)),
    ]
    const isChosen = chosenContainers(invocation)
    return await patchObjects(objects, {
      patchOf(object, resource) {
        const body = containersPatch(object, (container) => {
          if (!isChosen(container) || env.length === 0) return undefined
          if (invocation.options['overwrite'] === false)
            refuseOverwrite(container, env, `${resource.resource}/${object.metadata.name}`)
          return { env: env.map((variable) => replacing(container, variable)) }
        })
        return body === undefined ? undefined : { type: 'strategic', body }
      },
      said: ({ isSame }) => (isSame ? undefined : 'env updated'),
    })
  },
}

const isRemoval = (word: string): boolean => /^[A-Za-z_.][\w.]*-$/.test(word)
const isChange = (word: string): boolean => isAssignment(word) || isRemoval(word)

const changesOf = (words: readonly string[]): EnvironmentChange[] =>
  words.map((word) => {
    if (isRemoval(word)) return { name: word.slice(0, -1), $patch: 'delete' }
    const [name = '', value = ''] = word.split(/=(.*)/s)
    return { name, value }
  })

/** A variable has a value or a source: what it had of the other kind must go. */
function replacing({ env = [] }: Container, change: EnvironmentChange): object {
  const before = env.find(({ name }) => name === change.name)
  if (!before || '$patch' in change) return change
  if (change.valueFrom) return { ...(before.value === undefined ? {} : { value: null }), ...change }
  return { ...change, ...(before.valueFrom ? { valueFrom: null } : {}) }
}

function refuseOverwrite({ env = [] }: Container, changes: readonly EnvironmentChange[], object: string): void {
  for (const { name, value } of env)
    if (changes.some((one) => one.name === name && !('$patch' in one)))
      throw new UsageError(`${object} '${name}' already has a value (${value ?? ''}), and --overwrite is false`)
}

/** Names of variables are upper case, and other characters than letters, digits and `_` become `_`. */
const variableName = (key: string): string => key.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')

async function variablesFrom(invocation: Invocation): Promise<EnvVar[]> {
  const from = option.text(invocation, 'from')
  if (from === undefined) return []
  return await withClient(invocation, async (client) => {
    const { resource, name } = await objectTarget(client, [from])
    const source =
      resource.resource === 'configmaps'
        ? 'configMapKeyRef'
        : resource.resource === 'secrets'
          ? 'secretKeyRef'
          : undefined
    if (source === undefined) throw new UsageError(`unsupported resource specified in --from`)
    const path = pathOf(resource, namespaceOf(invocation, client), name)
    const { data = {} } = await client.json<{ data?: Record<string, string> }>({ path })
    const asked = option.text(invocation, 'keys')?.split(',')
    const prefix = option.text(invocation, 'prefix') ?? ''
    return Object.keys(data)
      .filter((key) => asked?.includes(key) ?? true)
      .map((key) => {
        const variable = variableName(key)
        if (variable !== key) invocation.io.err(`Warning: key ${key} transferred to ${variable}\n`)
        return { name: variableName(`${prefix}${key}`), valueFrom: { [source]: { name, key } } }
      })
  })
}

const listEnvironment = (invocation: Invocation): Promise<number> =>
  withClient(invocation, async (client) => {
    const { io } = invocation
    const isChosen = chosenContainers(invocation)
    const selected = await selectObjects(invocation, client, { needExist: false })
    return await eachObject(invocation, selected, async ({ resource, namespace, name, ...one }) => {
      const object = one.object ?? (await client.json<KubeObject>({ path: pathOf(resource, namespace, name) }))
      const { containers, initContainers = [] } = podSpecOf(object)
      for (const { name: container, env = [] } of [...containers, ...initContainers].filter(isChosen)) {
        io.out(`# ${resource.kind} ${name}, container ${container}\n`)
        for (const variable of env)
          io.out(
            !variable.valueFrom
              ? `${variable.name}=${variable.value ?? ''}\n`
              : option.flag(invocation, 'resolve')
                ? `${variable.name}=${await resolved(client, object, variable)}\n`
                : `# ${variable.name} from ${sourceText(variable)}\n`,
          )
      }
    })
  })

function sourceText({ valueFrom }: EnvVar): string {
  if (valueFrom?.configMapKeyRef)
    return `configmap ${valueFrom.configMapKeyRef.name}, key ${valueFrom.configMapKeyRef.key}`
  if (valueFrom?.secretKeyRef) return `secret ${valueFrom.secretKeyRef.name}, key ${valueFrom.secretKeyRef.key}`
  if (valueFrom?.fieldRef) return `field path ${valueFrom.fieldRef.fieldPath}`
  if (valueFrom?.resourceFieldRef) {
    const { containerName, resource } = valueFrom.resourceFieldRef
    return `resource field ${containerName ? `${containerName}, ` : ''}${resource}`
  }
  return 'its source'
}

/** What a variable's source says now, seen from the object itself (a template has no pod to take fields of). */
async function resolved(client: RestClient, object: KubeObject, { valueFrom }: EnvVar): Promise<string> {
  const { namespace } = object.metadata
  const keyOf = async <T extends ConfigMap | Secret>(resource: string, name = ''): Promise<T> =>
    await client.json<T>({ path: `/api/v1/namespaces/${namespace}/${resource}/${encodeURIComponent(name)}` })
  if (valueFrom?.configMapKeyRef) {
    const { name, key } = valueFrom.configMapKeyRef
    return (await keyOf<ConfigMap>('configmaps', name)).data?.[key] ?? ''
  }
  if (valueFrom?.secretKeyRef) {
    const { name, key } = valueFrom.secretKeyRef
    return Buffer.from((await keyOf<Secret>('secrets', name)).data?.[key] ?? '', 'base64').toString('utf8')
  }
  const { findValues, parsePath } = await import('../jsonpath.ts')
  const fieldPath = valueFrom?.fieldRef?.fieldPath
  return fieldPath === undefined ? '' : String(findValues(parsePath(fieldPath), object)[0] ?? '')
}
