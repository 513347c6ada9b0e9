import type { Chain, Container, ElementValue } from './rules.ts'

/** An element of a map or set. `key` is its parts joined with ` . `, as nft prints it. */
export interface Element {
  readonly container: string
  readonly key: string
  readonly value: ElementValue
}

/** What one owner (a service, a host port) adds to the rules. */
export interface Contribution {
  readonly elements: readonly Element[]
  readonly chains: ReadonlyMap<string, Chain>
  readonly containers: ReadonlyMap<string, Container>
}

/** Gathers a contribution. */
export function createContribution() {
  const elements: Element[] = []
  const chains = new Map<string, Chain>()
  const containers = new Map<string, Container>()
  return {
    element: (container: string, key: readonly (string | number)[], value: ElementValue = ''): void =>
      void elements.push({ container, key: key.join(' . '), value }),
    chain: (name: string, chain: Chain): void => void chains.set(name, chain),
    container: (name: string, container: Container): void => void containers.set(name, container),
    done: (): Contribution => ({ elements, chains, containers }),
  }
}

export type ContributionBuilder = ReturnType<typeof createContribution>
