import type { KubeObject } from '../../src/api/object.ts'
import { StatusError } from '../../src/api/status-error.ts'
import { parseDurationMs } from '../../src/lib/duration.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { pathOf } from '../discovery.ts'
import {
  configMapGenerator,
  genericSecretGenerator,
  namespaceGenerator,
  quotaGenerator,
  registrySecretGenerator,
  serviceAccountGenerator,
  tlsSecretGenerator,
} from '../generators/data.ts'
import { generatorCommand } from '../generators/generator.ts'
import {
  clusterRoleBindingGenerator,
  clusterRoleGenerator,
  roleBindingGenerator,
  roleGenerator,
} from '../generators/rbac.ts'
import {
  disruptionBudgetGenerator,
  ingressGenerator,
  priorityClassGenerator,
  serviceGenerators,
} from '../generators/services.ts'
import { cronJobGenerator, deploymentGenerator, jobGenerator } from '../generators/workloads.ts'
import { outputOptions, printAsAsked } from '../output-format.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'
import { createOptions, dryRunOf } from '../write-options.ts'
import { fileOptions, type ManifestVerb, recorded, sendRaw, writeManifests, writeQuery } from '../write-manifests.ts'

const tokenCommand: CommandDefinition = {
  name: 'token',
  arguments: '<serviceaccount>',
  summary: 'Ask for a token of a service account',
  options: [
    ...namespaceOptions,
    { flags: '--audience <audience>', summary: 'whom it is for', repeatable: true },
    ...outputOptions,
    { flags: '--duration <duration>', summary: 'how long it is good for' },
    { flags: '--bound-object-kind <kind>', summary: 'Pod, Secret or Node: it ends with that object' },
    { flags: '--bound-object-name <name>', summary: 'name of that object' },
    { flags: '--bound-object-uid <uid>', summary: 'uid of that object' },
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const duration = option.text(invocation, 'duration')
      const durationMs = duration === undefined ? undefined : parseDurationMs(duration)
      if (duration !== undefined && (durationMs === undefined || durationMs <= 0))
        throw new UsageError(`--duration ${duration}: must be a duration such as 1h`)
      const kind = option.text(invocation, 'boundObjectKind')
      const name = encodeURIComponent(invocation.args[0] ?? '')
      const review = await client
        .json<KubeObject & { status: { token: string } }>({
          method: 'POST',
          path: `/api/v1/namespaces/${namespaceOf(invocation, client)}/serviceaccounts/${name}/token`,
          body: {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            spec: {
              audiences: option.list(invocation, 'audience'),
              ...(durationMs === undefined ? {} : { expirationSeconds: Math.floor(durationMs / 1000) }),
              ...(kind
                ? {
                    boundObjectRef: {
                      apiVersion: 'v1',
                      kind,
                      name: option.text(invocation, 'boundObjectName') ?? '',
                      uid: option.text(invocation, 'boundObjectUid') ?? '',
                    },
                  }
                : {}),
            },
          },
        })
        .catch((error: unknown) => {
          throw error instanceof StatusError
            ? new UsageError(`failed to create token: ${error.message}`, { cause: error })
            : error
        })
      const printed = printAsAsked(invocation, review)
      invocation.io.out(printed ?? `${review.status.token}\n`)
    }),
}

const create: ManifestVerb = async (invocation, client, { object, resource, namespace }) => {
  if (dryRunOf(invocation) === 'client') return { said: 'created', object }
  const path = pathOf(resource, namespace)
  const body = recorded(object, invocation)
  const query = writeQuery(invocation)
  return { said: 'created', object: await client.json<KubeObject>({ method: 'POST', path, query, body }) }
}

export const createCommand: CommandDefinition = {
  name: 'create',
  arguments: '[kind]',
  summary: 'Create objects from files, or one from options',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...createOptions,
    { flags: '--raw <path>', summary: 'post the file to this path as it is' },
    { flags: '--record', summary: 'deprecated: note this command as the change-cause' },
  ],
  examples: `Examples:
  stormo create -f web.yaml
  stormo create deployment web --image=web:1 --replicas=3
  stormo create configmap web --from-file=index.html --from-literal=mode=fast`,
  commands: [
    generatorCommand(namespaceGenerator),
    generatorCommand(deploymentGenerator),
    generatorCommand(jobGenerator),
    generatorCommand(cronJobGenerator),
    generatorCommand(configMapGenerator),
    {
      name: 'secret',
      summary: 'A secret',
      commands: [genericSecretGenerator, registrySecretGenerator, tlsSecretGenerator].map(generatorCommand),
    },
    {
      name: 'service',
      aliases: ['svc'],
      summary: 'A service',
      commands: serviceGenerators.map(generatorCommand),
    },
    generatorCommand(ingressGenerator),
    generatorCommand(serviceAccountGenerator),
    tokenCommand,
    generatorCommand(roleGenerator),
    generatorCommand(roleBindingGenerator),
    generatorCommand(clusterRoleGenerator),
    generatorCommand(clusterRoleBindingGenerator),
    generatorCommand(quotaGenerator),
    generatorCommand(disruptionBudgetGenerator),
    generatorCommand(priorityClassGenerator),
  ],
  async run(invocation) {
    if (invocation.args.length > 0)
      throw new UsageError(
        `Unexpected args: [${invocation.args.join(' ')}]\nSee 'stormo create -h' for help and examples`,
      )
    const raw = option.text(invocation, 'raw')
    if (raw !== undefined) return await sendRaw(invocation, 'POST', raw)
    return await writeManifests(invocation, 'creating', create)
  },
}
