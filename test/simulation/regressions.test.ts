import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Plan } from '../../src/simulation/plan.ts'
import { runPlan } from '../../src/simulation/run-plan.ts'

const directory = join(import.meta.dirname, 'regressions')

/** What once went wrong: a plan each, made small, with the invariant that it broke. */
interface Regression {
  broke: string
  plan: Plan
}

test.for(readdirSync(directory).filter((name) => name.endsWith('.json')))('%s', { timeout: 60_000 }, async (name) => {
  const { plan } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Regression
  const { problems } = await runPlan(plan)
  expect(problems).toEqual([])
})
