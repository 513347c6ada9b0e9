import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts'

/** What the pipeline calls: `mutate` before validation by the schema, `validate` after it. Both throw StatusError. */
export interface AdmissionChain {
  mutate(attributes: AdmissionAttributes): Promise<void>
  validate(attributes: AdmissionAttributes): Promise<void>
}

/** Runs plugins in the given order. */
export function createAdmissionChain(plugins: readonly AdmissionPlugin[]): AdmissionChain {
  async function mutateOnce(attributes: AdmissionAttributes): Promise<boolean> {
    let changed = false
    for (const plugin of plugins) {
      // Plugins of the process itself answer at once: awaiting them would cost a turn of the loop each.
      const result = plugin.mutates?.(attributes)
      const outcome = result instanceof Promise ? await result : result
      if (outcome === true) changed = true
    }
    return changed
  }
  return {
    async mutate(attributes) {
      // Once more and no oftener, whatever the second round changes: webhooks that undo each other must not loop.
      if (await mutateOnce(attributes)) await mutateOnce(attributes)
    },
    async validate(attributes) {
      for (const plugin of plugins) {
        const result = plugin.validates?.(attributes)
        if (result instanceof Promise) await result
      }
    },
  }
}
