import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Plan } from '../../src/simulation/plan.ts'
import type { WorkloadPlan } from '../../src/simulation/workload-plan.ts'
import { simulations, type SimulationName } from './simulations.ts'

const directory = join(import.meta.dirname, 'regressions')

/** What once went wrong: a plan each, made small, with the invariant that it broke. */
interface Regression {
  simulation?: SimulationName
  broke: string
  plan: Plan | WorkloadPlan
}

test.for(readdirSync(directory).filter((name) => name.endsWith('.json')))('%s', { timeout: 60_000 }, async (name) => {
  const { simulation = 'writes', plan } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Regression
  const { problems } = await simulations[simulation].run(plan)
  expect(problems).toEqual([])
})
