import { describe, expect, test } from 'vitest'
import { patchTypes } from '../../conformance/api.ts'
import { eventually, holds, images, type Loose, names, podSpec, type Space, type Workbench } from './fixture.ts'

/** A job is named after the minute that it is due in: there is one a minute at most, as upstream. */
const often = '@every 2s'
const nextMinuteMs = 80_000

const cronJob = (spec: object, line = 'sleep 100000'): Loose => ({
  metadata: { name: 'tick', labels: { app: 'tick' } },
  spec: {
    schedule: often,
    concurrencyPolicy: 'Allow',
    jobTemplate: {
      spec: { template: { spec: { ...podSpec(line), restartPolicy: 'OnFailure' } } },
    },
    ...spec,
  },
})

const isActive = (job: Loose): boolean =>
  !(job.status?.conditions ?? []).some((one: Loose) => one.type === 'Complete' || one.type === 'Failed') &&
  job.metadata.deletionTimestamp === undefined
const activeJobs = async (space: Space): Promise<Loose[]> => (await space.list('jobs')).filter(isActive)

export const cronJobs = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] CronJob', () => {
    test('should schedule multiple jobs concurrently', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({}))
      await eventually('two active jobs', async () => (await activeJobs(space)).length >= 2, nextMinuteMs)
      const { status } = await space.until('cronjobs', 'tick', (object) => object.status.active?.length >= 2)
      expect(status.lastScheduleTime).toBeDefined()
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should not schedule jobs when suspended', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ suspend: true }))
      await holds(5000, async () => expect(await space.list('jobs')).toEqual([]))
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should not schedule new jobs when ForbidConcurrent', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ concurrencyPolicy: 'Forbid' }))
      await eventually('one active job', async () => (await activeJobs(space)).length === 1)
      const [first] = names(await space.list('jobs'))
      await holds(5000, async () => expect(names(await space.list('jobs'))).toEqual([first]))
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should replace jobs when ReplaceConcurrent', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ concurrencyPolicy: 'Replace' }))
      const [first] = await eventually('one active job', async () => {
        const found = await activeJobs(space)
        return found.length === 1 && found
      })
      await eventually(
        'another one alone',
        async () => {
          const found = await activeJobs(space)
          return found.length === 1 && found[0].metadata.uid !== first.metadata.uid
        },
        nextMinuteMs,
      )
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should be able to schedule after more than 100 missed schedule', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ suspend: true }))
      const longAgo = new Date(Date.now() - 900_000).toISOString().replace(/\.\d+Z/, 'Z')
      await space.patch('cronjobs', 'tick/status', { status: { lastScheduleTime: longAgo } }, 'merge')
      await space.patch('cronjobs', 'tick', { spec: { suspend: false } })
      await eventually('a job', async () => (await space.list('jobs')).length > 0)
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should remove from active list jobs that have been deleted', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ concurrencyPolicy: 'Forbid', schedule: '@every 1s' }))
      const { status } = await space.until('cronjobs', 'tick', (object) => object.status.active?.length === 1)
      await space.patch('cronjobs', 'tick', { spec: { suspend: true } })
      await space.delete('jobs', status.active[0].name, { propagationPolicy: 'Background' })
      await space.until('cronjobs', 'tick', (object) => !object.status.active?.length)
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should delete successful finished jobs with limit of one successful job', async () => {
      const space = await bench().space()
      await space.create('cronjobs', cronJob({ schedule: '@every 1s', successfulJobsHistoryLimit: 1 }, 'true'))
      await space.until('cronjobs', 'tick', ({ status }) => status.lastSuccessfulTime !== undefined)
      const made = async (): Promise<Loose[]> =>
        (await space.list('events')).filter(
          (one) => one.reason === 'SuccessfulCreate' && one.involvedObject.kind === 'CronJob',
        )
      await eventually('more than one was made', async () => (await made()).length > 1, nextMinuteMs)
      await space.patch('cronjobs', 'tick', { spec: { suspend: true } })
      await eventually('one that is over', async () => {
        const found = await space.list('jobs')
        return found.length === 1 && !isActive(found[0])
      })
      await space.delete('cronjobs', 'tick')
      await space.remove()
    })

    test('should support CronJob API operations', async () => {
      const space = await bench().space()
      const { api } = bench()
      const suspended = (name: string): Loose => ({
        ...cronJob({ suspend: true, schedule: '* */1 * * ?' }),
        metadata: { name, labels: { special: 'api' } },
      })
      const discovery = await api.ok('GET', '/apis/batch/v1')
      expect(discovery.resources.map(({ name }: Loose) => name)).toEqual(
        expect.arrayContaining(['cronjobs', 'cronjobs/status']),
      )
      for (const name of ['a', 'b', 'c']) await space.create('cronjobs', suspended(name))
      expect((await space.get('cronjobs', 'a')).metadata.name).toBe('a')
      const list = await api.ok('GET', `/apis/batch/v1/cronjobs?labelSelector=special=api`)
      expect(names(list.items)).toEqual(['a', 'b', 'c'])
      const watching = api.watch(
        `${space.path('cronjobs')}?watch=1&resourceVersion=${list.metadata.resourceVersion}`,
        ({ type, object }) => type === 'MODIFIED' && object.metadata.annotations?.updated === 'true',
      )
      const patched = await space.patch('cronjobs', 'a', { metadata: { annotations: { patched: 'true' } } }, 'merge')
      expect(patched.metadata.annotations.patched).toBe('true')
      await space.update('cronjobs', 'a', (object) => (object.metadata.annotations.updated = 'true'))
      await watching
      const now = '2024-03-04T05:06:07Z'
      const status = await space.patch(
        'cronjobs',
        'a/status',
        {
          metadata: { annotations: { patchedstatus: 'true' } },
          status: { lastScheduleTime: now },
        },
        'merge',
      )
      expect(status.status.lastScheduleTime).toBe(now)
      expect(status.metadata.annotations.patchedstatus).toBe('true')
      const next = '2024-04-04T05:06:07Z'
      const put = await space.update('cronjobs', 'a/status', (object) => (object.status.lastScheduleTime = next))
      expect(put.status.lastScheduleTime).toBe(next)
      expect((await space.get('cronjobs', 'a/status')).status.lastScheduleTime).toBe(next)
      const template = await api.ok(
        'PATCH',
        space.path('cronjobs', 'a'),
        {
          spec: { jobTemplate: { spec: { template: { spec: { containers: [{ name: 'app', image: images[1] }] } } } } },
        },
        patchTypes.strategic,
      )
      expect(template.spec.jobTemplate.spec.template.spec.containers[0].image).toBe(images[1])
      await space.delete('cronjobs', 'a')
      await space.untilGone('cronjobs', 'a')
      await space.deleteCollection('cronjobs', 'special=api')
      expect(await space.list('cronjobs')).toEqual([])
      await space.remove()
    })
  })
