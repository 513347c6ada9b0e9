import { expect, test } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { simulate, type ScenarioStep } from '../../src/simulation/scenario.ts'

const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'web:1' }], tolerations: [] },
    },
  },
} as KubeObject

async function story(steps: readonly ScenarioStep[], forMs: number): Promise<string[]> {
  return Array.fromAsync(simulate({ manifests: [web], nodes: 3, steps, seed: 1, forMs }))
}

test('a deployment runs everywhere, and moves from a node that lost power', { timeout: 60_000 }, async () => {
  const lines = await story([{ atMs: 10_000, do: 'kill', node: 'n3' }], 420_000)
  expect(lines.filter((line) => /Running on n\d$/.test(line)).length).toBeGreaterThanOrEqual(3)
  expect(lines.some((line) => line.includes('node n3 Ready=Unknown'))).toBe(true)
  expect(lines.at(-3)).toMatch(/n1 sees \d+ pods, 3 of them ready/)
  expect(lines.some((line) => line.includes('BROKEN'))).toBe(false)
})

test('a story is told the same again', { timeout: 60_000 }, async () => {
  const steps: ScenarioStep[] = [
    { atMs: 5_000, do: 'partition', groups: [['n1'], ['n2', 'n3']] },
    { atMs: 20_000, do: 'heal' },
  ]
  expect(await story(steps, 40_000)).toEqual(await story(steps, 40_000))
})
