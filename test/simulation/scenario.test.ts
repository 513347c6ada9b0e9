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
  expect(lines.some((line) => /n1 sees \d+ pods, 3 of them ready$/.test(line))).toBe(true)
  expect(lines.some((line) => line.includes('BROKEN'))).toBe(false)
})

test('a story is told the same again', { timeout: 60_000 }, async () => {
  const steps: ScenarioStep[] = [
    { atMs: 5_000, do: 'partition', groups: [['n1'], ['n2', 'n3']] },
    { atMs: 20_000, do: 'heal' },
  ]
  expect(await story(steps, 40_000)).toEqual(await story(steps, 40_000))
})

test('a part without a majority is told to be one, and stops what must run once', { timeout: 60_000 }, async () => {
  const db = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: { ...(web as KubeObject & { spec: object }).spec, serviceName: 'db' },
  } as KubeObject
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  } as KubeObject
  const steps: ScenarioStep[] = [
    { atMs: 20_000, do: 'partition', groups: [['n1'], ['n2'], ['n3']] },
    { atMs: 70_000, do: 'heal' },
  ]
  const lines = await Array.fromAsync(simulate({ manifests: [db, service], nodes: 3, steps, seed: 1, forMs: 120_000 }))
  const told = (text: RegExp) => lines.findIndex((line) => text.test(line))
  expect(told(/nobody leads/)).toBeGreaterThan(told(/the network is cut/))
  expect(told(/stops pod default\/db-\d/)).toBeGreaterThan(told(/nobody leads/))
  expect(told(/pod default\/db-2 Running/)).toBeGreaterThan(-1)
  expect(told(/leads to ready pods: 3, of which 1 answer/)).toBeGreaterThan(-1)
  expect(told(/no pod of a StatefulSet ran twice/)).toBe(lines.length - 1)
})
