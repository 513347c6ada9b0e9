import type { RbacV1Subject, RoleBinding } from '../../src/api/kinds.ts'
import { quantityError } from '../../src/lib/quantity.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withoutFlag } from '../connection-options.ts'
import { parsePairs } from '../key-values.ts'
import { localOption, patchObjects, patchOptions } from '../patch-objects.ts'
import { setEnvironmentCommand } from '../set/environment.ts'
import { containersPatch, podSpecOf, podSpecPatch } from '../set/pod-template.ts'
import { chosenContainers, containerOption, isAssignment } from '../set/words.ts'

const options = [...patchOptions, localOption]

const setImageCommand: CommandDefinition = {
  name: 'image',
  arguments: '[type/name...]',
  summary: 'Set the image of containers',
  examples: `Examples:
  stormo set image deployment/web web=web:2`,
  options,
  run(invocation) {
    const { args } = invocation
    const images = new Map(args.filter(isAssignment).map((word) => word.split(/=(.*)/s) as [string, string]))
    if (images.size === 0) throw new UsageError('at least one image update is required')
    const about = { ...invocation, args: args.filter((word) => !isAssignment(word)) }
    return patchObjects(about, {
      patchOf(object) {
        const { containers, initContainers = [] } = podSpecOf(object)
        const names = [...containers, ...initContainers].map(({ name }) => name)
        for (const wanted of images.keys())
          if (wanted !== '*' && !names.includes(wanted))
            throw new UsageError(`unable to find container named "${wanted}"`)
        const body = containersPatch(object, ({ name }) => {
          const image = images.get(name) ?? images.get('*')
          return image === undefined ? undefined : { image }
        })
        return body === undefined ? undefined : { type: 'strategic', body }
      },
      said: ({ isSame }) => (isSame ? undefined : 'image updated'),
    })
  },
}

const setResourcesCommand: CommandDefinition = {
  name: 'resources',
  arguments: '[type/name...]',
  summary: 'Set requests and limits of containers',
  examples: `Examples:
  stormo set resources deployment/web --requests=cpu=100m --limits=memory=64Mi`,
  options: [
    ...options,
    containerOption,
    { flags: '--limits <resources>', summary: 'most that a container may use: cpu=1,memory=64Mi' },
    { flags: '--requests <resources>', summary: 'what is kept free for a container' },
  ],
  run(invocation) {
    const resources = { ...quantities(invocation, 'limits'), ...quantities(invocation, 'requests') }
    if (Object.keys(resources).length === 0)
      throw new UsageError('you must specify an update to requests or limits (in the form of --requests/--limits)')
    const isChosen = chosenContainers(invocation)
    return patchObjects(invocation, {
      patchOf(object) {
        const body = containersPatch(object, (container) => (isChosen(container) ? { resources } : undefined))
        return body === undefined ? undefined : { type: 'strategic', body }
      },
      said: ({ isSame }) => (isSame ? undefined : 'resource requirements updated'),
    })
  },
}

function quantities(invocation: Invocation, name: 'limits' | 'requests'): Record<string, Record<string, string>> {
  const text = option.text(invocation, name)
  if (text === undefined) return {}
  const pairs = parsePairs([text], `--${name}`)
  for (const value of Object.values(pairs))
    if (quantityError(value) !== undefined) throw new UsageError(quantityError(value)!)
  return { [name]: pairs }
}

const setSelectorCommand: CommandDefinition = {
  name: 'selector',
  arguments: '[type/name-or-pair...]',
  summary: 'Set the labels that a service selects',
  options: [...options, { flags: '--resource-version <version>', summary: 'only if the object has this version' }],
  run(invocation) {
    const { args } = invocation
    const selector = parsePairs(args.filter(isAssignment), 'selector')
    if (Object.keys(selector).length === 0) throw new UsageError('one or more selector expressions are required')
    const resourceVersion = option.text(invocation, 'resourceVersion')
    const about = { ...invocation, args: args.filter((word) => !isAssignment(word)) }
    return patchObjects(about, {
      patchOf(object) {
        if (object.kind !== 'Service')
          throw new UsageError(`selector can only be set on a Service, and this is a ${object.kind}`)
        const before = (object as { spec?: { selector?: Record<string, string> } }).spec?.selector ?? {}
        const gone = Object.fromEntries(Object.keys(before).map((key) => [key, null]))
        const body = { spec: { selector: { ...gone, ...selector } } }
        return { type: 'merge', body, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
      },
      said: () => 'selector updated',
    })
  },
}

const setServiceAccountCommand: CommandDefinition = {
  name: 'serviceaccount',
  aliases: ['sa'],
  arguments: '[type/name...]',
  summary: 'Set the service account of pods',
  options,
  run(invocation) {
    const objects = invocation.args.slice(0, -1)
    const account = invocation.args.at(-1)
    if (account === undefined) throw new UsageError('serviceaccount is required')
    return patchObjects(
      { ...invocation, args: objects },
      {
        patchOf: (object) => ({ type: 'strategic', body: podSpecPatch(object, { serviceAccountName: account }) }),
        said: () => 'serviceaccount updated',
      },
    )
  },
}

const rbacGroup = 'rbac.authorization.k8s.io'

const setSubjectCommand: CommandDefinition = {
  name: 'subject',
  arguments: '[type/name...]',
  summary: 'Add users, groups or service accounts to a role binding',
  options: [
    ...withoutFlag(options, '--user'),
    { flags: '--user <name>', summary: 'a user', repeatable: true },
    { flags: '--group <name>', summary: 'a group', repeatable: true },
    { flags: '--serviceaccount <namespace:name>', summary: 'a service account', repeatable: true },
  ],
  run(invocation) {
    const added = subjectsOf(invocation)
    if (added.length === 0) throw new UsageError('you must specify at least one value of user, group or serviceaccount')
    return patchObjects(invocation, {
      patchOf(object) {
        const { subjects = [] } = object as RoleBinding
        const isThere = (one: RbacV1Subject): boolean =>
          subjects.some(
            ({ kind, name, namespace }) => kind === one.kind && name === one.name && namespace === one.namespace,
          )
        return { type: 'merge', body: { subjects: [...subjects, ...added.filter((one) => !isThere(one))] } }
      },
      said: () => 'subjects updated',
    })
  },
}

function subjectsOf(invocation: Invocation): RbacV1Subject[] {
  const list = (name: string): string[] => option.list(invocation, name).flatMap((one) => one.split(','))
  const accounts = list('serviceaccount').map((text): RbacV1Subject => {
    const [namespace = '', name = '', ...rest] = text.split(':')
    if (namespace === '' || name === '' || rest.length > 0)
      throw new UsageError('serviceaccount must be <namespace>:<name>')
    return { kind: 'ServiceAccount', namespace, name }
  })
  return [
    ...list('user').map((name): RbacV1Subject => ({ apiGroup: rbacGroup, kind: 'User', name })),
    ...list('group').map((name): RbacV1Subject => ({ apiGroup: rbacGroup, kind: 'Group', name })),
    ...accounts,
  ]
}

export const setCommand: CommandDefinition = {
  name: 'set',
  summary: 'Change images, environment, resources and the like of objects',
  commands: [
    setImageCommand,
    setEnvironmentCommand,
    setResourcesCommand,
    setSelectorCommand,
    setServiceAccountCommand,
    setSubjectCommand,
  ],
}
