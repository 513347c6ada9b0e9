import type { Container } from '../../src/api/kinds.ts'
import { type Invocation, option, type OptionDefinition } from '../command.ts'

/** `name=value`, and not `type/name`. */
export const isAssignment = (word: string): boolean => /^[^/=]+=/.test(word)

export const containerOption: OptionDefinition = {
  flags: '-c, --containers <names>',
  summary: 'of these containers (default all)',
}

/** Whether `--containers` means a container; `*` stands for any text. */
export function chosenContainers(invocation: Invocation): (container: Container) => boolean {
  const patterns = (option.text(invocation, 'containers') ?? '*')
    .split(',')
    .map((name) => new RegExp(`^${name.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`))
  return ({ name }) => patterns.some((pattern) => pattern.test(name))
}
