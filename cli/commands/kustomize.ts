import type { CommandDefinition } from '../command.ts'
import { kustomize } from '../manifests.ts'

export const kustomizeCommand: CommandDefinition = {
  name: 'kustomize',
  arguments: '[directory]',
  summary: 'Print what a kustomization builds, by the kustomize or kubectl on the PATH',
  async run({ args, io }) {
    io.out(await kustomize(args[0] ?? '.'))
  },
}
