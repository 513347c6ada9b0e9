import type { KubeObject } from '../../src/api/object.ts'
import { StatusError } from '../../src/api/status-error.ts'
import { type CommandDefinition, type Invocation, type OptionDefinition, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { withoutFlag } from '../connection-options.ts'
import { createObject, type CreateTarget, createOptions } from '../create-object.ts'
import { namespaceOptions } from '../targets.ts'

/** A kind of object that the command line can make from options: `create configmap web --from-literal=a=b`. */
export interface Generator {
  name: string
  aliases?: readonly string[]
  /** As commander reads it. */
  arguments: string
  summary: string
  options: readonly OptionDefinition[]
  /** What is after `--` becomes the container's command. */
  takesRest?: boolean
  target: CreateTarget
  /** What a refusal is prefixed with; default `failed to create <name>`, and null is nothing. */
  failure?: string | null
  /** The object without its namespace. Throws UsageError for what makes no sense. */
  build(invocation: Invocation): KubeObject | Promise<KubeObject>
}

const withoutFlagOf = (
  general: readonly OptionDefinition[],
  { flags }: OptionDefinition,
): readonly OptionDefinition[] => withoutFlag(general, /--[-a-z]+/.exec(flags)?.[0] ?? flags)

export function generatorCommand(generator: Generator): CommandDefinition {
  const { name, aliases, summary, options, takesRest } = generator
  return {
    name,
    arguments: generator.arguments,
    summary,
    ...(aliases ? { aliases } : {}),
    ...(takesRest ? { takesRest } : {}),
    options: [...options.reduce(withoutFlagOf, namespaceOptions), ...options, ...createOptions],
    async run(invocation) {
      const object = await generator.build(invocation)
      const { failure = `failed to create ${name}` } = generator
      try {
        await withClient(invocation, (client) => createObject(invocation, client, generator.target, object))
      } catch (error) {
        if (failure === null || !(error instanceof StatusError)) throw error
        throw new UsageError(`${failure}: ${error.message}`)
      }
    },
  }
}
