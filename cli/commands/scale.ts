import { type CommandDefinition, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'

export const scaleCommand: CommandDefinition = {
  name: 'scale',
  arguments: '<type/name...>',
  summary: 'Set the number of replicas',
  options: [
    ...namespaceOptions,
    { flags: '--replicas <count>', summary: 'how many', integer: true },
    { flags: '--current-replicas <count>', summary: 'only if there are so many now', integer: true },
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const replicas = option.integer(invocation, 'replicas')
      if (replicas === undefined || replicas < 0)
        throw new UsageError('the --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0')
      const current = option.integer(invocation, 'currentReplicas')
      const namespace = namespaceOf(invocation, client)
      const { targets } = await targetsOf(client, invocation.args)
      for (const { resource, name } of targets) {
        if (name === undefined) throw new UsageError('name what to scale, for example: deployment/web')
        const path = pathOf(resource, namespace, name, 'scale')
        if (current !== undefined) {
          const { spec } = await client.json<{ spec: { replicas?: number } }>({ path })
          if ((spec.replicas ?? 0) !== current)
            throw new UsageError(`Expected replicas to be ${current}, was ${spec.replicas ?? 0}`)
        }
        await client.send({
          method: 'PATCH',
          path,
          body: JSON.stringify({ spec: { replicas } }),
          contentType: 'application/merge-patch+json',
          query: { fieldManager: 'stormo' },
        })
        invocation.io.out(`${displayName(resource, name)} scaled\n`)
      }
    }),
}
