import { type ApiResource, discover, findResource, findResources } from './discovery.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { globalOptions } from './connection-options.ts'

export const namespaceOptions: readonly OptionDefinition[] = globalOptions

export const namespaceOf = (invocation: Invocation, client: RestClient): string =>
  option.text(invocation, 'namespace') ?? client.connection.namespace

/** An object, or (without a name) all objects of a resource, that the command line names. */
export interface Target {
  resource: ApiResource
  name: string | undefined
}

/** Reads `pods`, `pods web db`, `pods,svc`, `pod/web deploy/db`. Returns the discovery too, for what comes next. */
export async function targetsOf(
  client: RestClient,
  args: readonly string[],
): Promise<{ resources: ApiResource[]; targets: Target[] }> {
  const [first, ...names] = args
  if (first === undefined)
    throw new UsageError('you must specify the type of resource, for example: pods, or deployment/web')
  const resources = await discover(client)
  if (first.includes('/')) {
    const targets = args.map((arg): Target => {
      const [type = '', name = '', ...rest] = arg.split('/')
      if (!arg.includes('/'))
        throw new UsageError(
          "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'stormo get resource/<resource_name>' instead of 'stormo get resource resource/<resource_name>'",
        )
      if (name === '' || rest.length > 0)
        throw new UsageError(`arguments in resource/name form must have a single resource and name: "${arg}"`)
      return { resource: findResource(resources, type), name }
    })
    return { resources, targets }
  }
  const found = findResources(resources, first)
  if (names.some((name) => name.includes('/')))
    throw new UsageError(
      'there is no need to specify a resource type as a separate argument when passing arguments in resource/name form',
    )
  const targets =
    names.length === 0
      ? found.map((resource) => ({ resource, name: undefined }))
      : found.flatMap((resource) => names.map((name) => ({ resource, name })))
  return { resources, targets }
}

/** The one object that the command is about; a bare name is of type `defaultType`. */
export async function objectTarget(
  client: RestClient,
  args: readonly string[],
  defaultType?: string,
): Promise<Target & { name: string }> {
  const [first = ''] = args
  const bare = defaultType !== undefined && args.length === 1 && !first.includes('/')
  const { targets } = await targetsOf(client, bare ? [defaultType, first] : args)
  const [target] = targets
  if (targets.length !== 1 || target?.name === undefined)
    throw new UsageError('name one object, for example: deployment/web')
  return { resource: target.resource, name: target.name }
}
