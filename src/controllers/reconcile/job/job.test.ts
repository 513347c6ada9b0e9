import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Job, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { startCluster, type TestCluster } from '../../testing/cluster.ts'
import { job } from '../../testing/objects.ts'
import { formatIndexes, parseIndexes } from './indexes.ts'
import { isTracked } from './job-pods.ts'
import { jobController } from './job.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [jobController] })
  await cluster.addNode('one')
  cluster.kubelets.fate(() => 'succeeded')
})
afterEach(() => cluster.stop())

const pods = () => cluster.list<Pod>(refs.pods)
const status = () => cluster.get<Job>(refs.jobs, 'work')!.status!
const reasonOf = (type: string) =>
  status().conditions?.find((one) => one.type === type && one.status === 'True')?.reason
const indexOf = (pod: Pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index']

async function expectQuiet() {
  const before = cluster.version()
  await cluster.pass(60_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
  expect(pods().filter(isTracked)).toEqual([])
}

describe('completion', () => {
  test('runs as many as may run at once until enough have succeeded', async () => {
    await cluster.create(refs.jobs, job({ completions: 5, parallelism: 2 }))
    let most = 0
    for (let second = 0; second < 20; second++) {
      await cluster.pass(1000)
      most = Math.max(most, status()?.active ?? 0)
    }
    expect(most).toBe(2)
    expect(status()).toMatchObject({ succeeded: 5 })
    expect(status().completionTime).toBeDefined()
    expect(pods()).toHaveLength(5)
    expect(reasonOf('Complete')).toBe('CompletionsReached')
    expect(reasonOf('SuccessCriteriaMet')).toBe('CompletionsReached')
    await expectQuiet()
  })

  test('a work queue ends when one has succeeded and all are done', async () => {
    await cluster.create(refs.jobs, job({ parallelism: 3 }))
    await cluster.pass(20_000)
    expect(status().succeeded).toBe(3)
    expect(reasonOf('Complete')).toBeDefined()
    await expectQuiet()
  })

  test('Indexed gives each index to one pod and names what is done', async () => {
    await cluster.create(refs.jobs, job({ completions: 4, parallelism: 4, completionMode: 'Indexed' }))
    await cluster.pass(2000)
    expect(pods().map(indexOf).toSorted()).toEqual(['0', '1', '2', '3'])
    expect(pods()[0]!.spec!.hostname).toMatch(/^work-\d$/)
    expect(pods()[0]!.spec!.containers![0]!.env!.map((one) => one.name)).toContain('JOB_COMPLETION_INDEX')
    await cluster.pass(10_000)
    expect(status()).toMatchObject({ succeeded: 4, completedIndexes: '0-3' })
    await expectQuiet()
  })

  test('successPolicy ends a job early', async () => {
    cluster.kubelets.fate((pod) => (indexOf(pod) === '1' ? 'succeeded' : 'running'))
    const successPolicy = { rules: [{ succeededIndexes: '1' }] }
    await cluster.create(refs.jobs, job({ completions: 3, parallelism: 3, completionMode: 'Indexed', successPolicy }))
    await cluster.pass(20_000)
    expect(reasonOf('Complete')).toBe('SuccessPolicy')
    expect(status().active ?? 0).toBe(0)
    await expectQuiet()
  })
})

describe('failure', () => {
  test('backoffLimit: retries with growing waits, then fails', async () => {
    cluster.kubelets.fate(() => ({ failed: 1 }))
    await cluster.create(refs.jobs, job({ backoffLimit: 2 }))
    await cluster.pass(8000)
    expect(pods()).toHaveLength(1)
    await cluster.pass(10_000)
    expect(pods()).toHaveLength(2)
    await cluster.pass(60_000)
    expect(status().failed).toBe(3)
    expect(reasonOf('Failed')).toBe('BackoffLimitExceeded')
    await expectQuiet()
  })

  test('backoffLimitPerIndex lets other indexes go on', async () => {
    cluster.kubelets.fate((pod) => (indexOf(pod) === '0' ? { failed: 1 } : 'succeeded'))
    await cluster.create(
      refs.jobs,
      job({ completions: 3, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1 }),
    )
    await cluster.pass(120_000)
    expect(status()).toMatchObject({ failedIndexes: '0', completedIndexes: '1,2', failed: 2, succeeded: 2 })
    expect(reasonOf('Failed')).toBe('FailedIndexes')
    await expectQuiet()
  })

  test('podFailurePolicy: an exit code fails the job at once, a disruption is not counted', async () => {
    cluster.kubelets.fate(() => ({ failed: 42 }))
    const rules = [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
      { action: 'FailJob', onExitCodes: { containerName: 'main', operator: 'In', values: [42] } },
    ]
    await cluster.create(refs.jobs, job({ podFailurePolicy: { rules } }))
    await cluster.pass(20_000)
    expect(reasonOf('Failed')).toBe('PodFailurePolicy')
    const message = status().conditions!.find((one) => one.type === 'Failed')!.message
    expect(message).toMatch(
      /^Container main for pod default\/work-.* failed with exit code 42 matching FailJob rule at index 1$/,
    )
    await expectQuiet()
  })

  test('activeDeadlineSeconds ends what still runs', async () => {
    cluster.kubelets.fate(() => 'running')
    await cluster.create(refs.jobs, job({ activeDeadlineSeconds: 30, parallelism: 2, completions: 2 }))
    await cluster.pass(50_000)
    expect(reasonOf('Failed')).toBe('DeadlineExceeded')
    await expectQuiet()
  })
})

test('suspend stops pods without an end, resume starts the clock anew', async () => {
  cluster.kubelets.fate(() => 'running')
  await cluster.create(refs.jobs, job({ suspend: true }))
  await cluster.pass()
  expect(pods()).toEqual([])
  expect(reasonOf('Suspended')).toBe('JobSuspended')
  expect(status().startTime).toBeUndefined()
  await cluster.change<Job>(refs.jobs, 'work', (one) => void (one.spec!.suspend = false))
  await cluster.pass()
  expect(pods()).toHaveLength(1)
  expect(status().startTime).toBeDefined()
  await cluster.change<Job>(refs.jobs, 'work', (one) => void (one.spec!.suspend = true))
  await cluster.pass()
  expect(pods()).toEqual([])
  expect(cluster.events.map((event) => event.reason)).toEqual(expect.arrayContaining(['Suspended', 'Resumed']))
})

test("another controller's jobs are left alone", async () => {
  await cluster.create(refs.jobs, job({ managedBy: 'example.com/other' }))
  await cluster.pass()
  expect(pods()).toEqual([])
})

test('a pod that is deleted while it runs is counted once and made again', async () => {
  cluster.kubelets.fate(() => 'running')
  await cluster.create(refs.jobs, job())
  await cluster.pass()
  await cluster.client.delete(refs.pods, 'default', pods()[0]!.metadata.name!)
  await cluster.pass(30_000)
  expect(pods()).toHaveLength(1)
  expect(status().failed).toBe(1)
})

test('sets of indexes survive their text', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200)), (indexes) => {
      expect(parseIndexes(formatIndexes(new Set(indexes)), 201)).toEqual(new Set(indexes))
    }),
  )
  expect(formatIndexes(new Set([1, 2, 4, 5, 6, 9]))).toBe('1,2,4-6,9')
})
