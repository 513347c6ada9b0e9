import type { Clock } from '../../lib/clock.ts'
import type { Service as LifeCycle } from '../../lib/service.ts'
import type { Exec } from '../exec.ts'
import { createApiProbe } from './api-probe.ts'
import { createApplier } from './applier.ts'
import type { Drift } from './audit.ts'
import { forgetUdpFlows, forgetUdpPorts, newUdpPorts, staleUdpBackends } from './conntrack.ts'
import type { Contribution } from './contribution.ts'
import { pinnedContribution } from './frontends.ts'
import { createRuleset } from './ruleset.ts'
import { createRuleSources, type RuleSourcesOptions } from './rule-sources.ts'
import { fixedChains, fixedContainers } from './skeleton.ts'

/** kube-proxy's bit, so that what knows it (other firewalls) knows ours. */
const mark = 0x4000

export interface ServiceProxyOptions extends RuleSourcesOptions {
  /** nft table of that family; agents that share a network namespace need different ones. */
  table: string
  /** Tuples that lead to this node itself, before any service: its DNS. */
  pinned: Parameters<typeof pinnedContribution>[0]
  exec: Exec
  clock: Clock
  onDrift(drift: Drift): void
}

export interface ServiceProxy extends LifeCycle {
  /** Resolves when the kernel has the rules of everything that changed before the call. */
  flush(): Promise<void>
  audit(): Promise<Drift>
  /** Removes all rules. */
  remove(): Promise<void>
}

/** Keeps the kernel's rules equal to what Services, EndpointSlices and this node's pods ask for. */
export function createServiceProxy(options: ServiceProxyOptions): ServiceProxy {
  const { exec, logger, family, ranges } = options
  const sources = createRuleSources(options)
  const ruleset = createRuleset({
    family,
    table: options.table,
    mark,
    chains: fixedChains(ranges, family),
    containers: fixedContainers(family),
  })
  /** Owners that are to be looked at again. */
  const dirty = new Set<string>()
  const contributions = new Map<string, Contribution>()
  const staleFlows = new Set<string>()
  const newPorts = new Set<string>()
  /** What is there at the start was there before; its flows lead where they should. */
  let isFirstRound = true

  /** One object that cannot be read must not keep the others' rules from the kernel. */
  function contributionOrPrevious(owner: string, previous: Contribution | undefined): Contribution | undefined {
    try {
      return sources.contributionOf(owner)
    } catch (error) {
      logger.error({ owner, error: (error as Error).message }, 'rules cannot be made of an object; its old ones stay')
      return previous
    }
  }

  function prepare(): void {
    for (const owner of dirty) {
      const before = contributions.get(owner)
      const after = contributionOrPrevious(owner, before)
      for (const backend of staleUdpBackends(before, after)) staleFlows.add(backend)
      if (!isFirstRound) for (const port of newUdpPorts(before, after)) newPorts.add(port)
      if (after) contributions.set(owner, after)
      else contributions.delete(owner)
      // Services come before host ports; the pinned ones ("0") before both.
      ruleset.set(owner.startsWith('service/') ? `1/${owner}` : `2/${owner}`, after)
    }
    dirty.clear()
    isFirstRound = false
  }

  /** After the rules have changed, so that the old ones do not make the flow anew. */
  async function cleanFlows(): Promise<void> {
    const [stale, fresh] = [[...staleFlows], [...newPorts]]
    staleFlows.clear()
    newPorts.clear()
    try {
      await forgetUdpFlows(exec, stale, family)
      await forgetUdpPorts(exec, fresh, family)
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'UDP flows of endpoints that are gone could not be removed')
    }
  }

  const probe = ranges.apiServer && createApiProbe({ ...ranges.apiServer, clock: options.clock })
  const applier = createApplier({
    ...options,
    ruleset,
    prepare,
    onApplied() {
      if (staleFlows.size + newPorts.size > 0) void cleanFlows()
    },
  })

  return {
    async start() {
      ruleset.set('0/pinned', pinnedContribution(options.pinned))
      sources.follow((owner) => {
        dirty.add(owner)
        applier.changed()
      })
      await applier.start()
      probe?.start()
    },
    async stop() {
      probe?.stop()
      await sources.stop()
      await applier.stop()
    },
    flush: () => applier.flush(),
    audit: () => applier.audit(),
    remove: () => applier.remove(),
  }
}
