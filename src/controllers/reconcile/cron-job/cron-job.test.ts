import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CronJob, Job } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { startCluster, type TestCluster } from '../../testing/cluster.ts'
import { template } from '../../testing/objects.ts'
import { jobController } from '../job/job.ts'
import { cronJobController } from './cron-job.ts'
import { newestDue, parseSchedule } from './schedule.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [cronJobController, jobController] })
  await cluster.addNode('one')
  cluster.kubelets.fate(() => 'succeeded')
})
afterEach(() => cluster.stop())

const minuteMs = 60_000
const cronJob = (spec: object = {}) => ({
  metadata: { name: 'tick' },
  spec: {
    schedule: '* * * * *',
    jobTemplate: { spec: { template: template('busybox', { restartPolicy: 'Never' }, { app: 'tick' }) } },
    ...spec,
  },
})
const jobs = () => cluster.list<Job>(refs.jobs)
const current = () => cluster.get<CronJob>(refs.cronJobs, 'tick')!

test('starts a job every minute and keeps the last three', async () => {
  await cluster.create(refs.cronJobs, cronJob())
  await cluster.pass(2 * minuteMs + 30_000)
  expect(jobs()).toHaveLength(2)
  await cluster.pass(4 * minuteMs)
  expect(jobs().length).toBeLessThanOrEqual(4)
  expect(jobs().length).toBeGreaterThanOrEqual(3)
  expect(current().status?.lastScheduleTime).toBeDefined()
  expect(current().status?.lastSuccessfulTime).toBeDefined()
  expect(
    cluster.events.filter((event) => event.reason === 'SuccessfulCreate' && event.about.kind === 'CronJob'),
  ).toHaveLength(6)
  expect(cluster.failures).toEqual([])
})

test('suspended it starts nothing', async () => {
  await cluster.create(refs.cronJobs, cronJob({ suspend: true }))
  await cluster.pass(3 * minuteMs)
  expect(jobs()).toEqual([])
})

test.each([
  ['Allow', 3, 3],
  ['Forbid', 1, 1],
  ['Replace', 1, 3],
])('%s: %i at once, %i in all', async (concurrencyPolicy, running, started) => {
  cluster.kubelets.fate(() => 'running')
  await cluster.create(refs.cronJobs, cronJob({ concurrencyPolicy }))
  await cluster.pass(3 * minuteMs + 10_000)
  expect(jobs()).toHaveLength(running)
  expect(current().status?.active).toHaveLength(running)
  const made = cluster.events.filter((event) => event.reason === 'SuccessfulCreate' && event.about.kind === 'CronJob')
  expect(made).toHaveLength(started)
})

describe('schedules', () => {
  test('follow their time zone', () => {
    const schedule = parseSchedule('0 9 * * *', 'America/New_York')
    expect(schedule.nextMs(Date.parse('2026-07-01T00:00:00Z'))).toBe(Date.parse('2026-07-01T13:00:00Z'))
    expect(schedule.nextMs(Date.parse('2026-01-01T00:00:00Z'))).toBe(Date.parse('2026-01-01T14:00:00Z'))
  })

  test('know macros and intervals', () => {
    const fromMs = Date.parse('2026-03-01T12:34:56Z')
    expect(parseSchedule('@daily').nextMs(fromMs)).toBe(Date.parse('2026-03-02T00:00:00Z'))
    expect(parseSchedule('@every 1h30m').nextMs(fromMs)).toBe(fromMs + 90 * minuteMs)
  })

  test('the newest due start is found however many were missed', () => {
    const schedule = parseSchedule('*/5 * * * *')
    const startMs = Date.parse('2026-01-01T00:00:00Z')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000_000 }), (seconds) => {
        const nowMs = startMs + seconds * 1000
        const { dueMs, tooMany } = newestDue(schedule, startMs, nowMs)
        const steps = Math.floor(seconds / 300)
        expect(dueMs).toBe(steps === 0 ? undefined : startMs + steps * 300_000)
        expect(tooMany).toBe(steps > 100)
      }),
      { numRuns: 50 },
    )
  })
})
