import { describe, expect, test } from 'vitest'
import type { Pod } from '../../../src/api/kinds.ts'
import { eventually, holds, images, type Loose, names, type Space, type Workbench } from './fixture.ts'

/** A job whose pods run a shell line; the spec's defaults are upstream's: two at once, four completions. */
const job = (line: string, spec: object = {}, podSpec: object = {}): Loose => ({
  metadata: { name: 'work' },
  spec: {
    parallelism: 2,
    completions: 4,
    template: {
      spec: {
        terminationGracePeriodSeconds: 0,
        restartPolicy: 'Never',
        containers: [{ name: 'c', image: images[0], command: ['sh', '-c', line] }],
        ...podSpec,
      },
    },
    ...spec,
  },
})

const forever = 'sleep 100000'
const ofJob = 'job-name=work'
const has = (object: Loose, type: string, reason?: string): boolean =>
  (object.status.conditions ?? []).some(
    (one: Loose) => one.type === type && one.status === 'True' && (reason === undefined || one.reason === reason),
  )
const untilComplete = (space: Space): Promise<Loose> => space.until('jobs', 'work', (object) => has(object, 'Complete'))
const untilFailed = (space: Space): Promise<Loose> => space.until('jobs', 'work', (object) => has(object, 'Failed'))
const running = (space: Space, count: number): Promise<Pod[]> =>
  space.untilPods(ofJob, (pods) => pods.filter(({ status }) => status?.phase === 'Running').length === count)
const failOn = (...indexes: number[]): string => `case $JOB_COMPLETION_INDEX in ${indexes.join('|')}) exit 1;; esac`

export const jobs = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] Job', () => {
    test('should run a job to completion when tasks sometimes fail and are locally restarted', async () => {
      const space = await bench().space()
      const once = 'test -f /data/foo && exit 0; touch /data/foo; exit 1'
      const spec = job(
        once,
        { completions: 2 },
        { restartPolicy: 'OnFailure', volumes: [{ name: 'data', emptyDir: {} }] },
      )
      spec.spec.template.spec.containers[0].volumeMounts = [{ name: 'data', mountPath: '/data' }]
      await space.create('jobs', spec)
      expect((await untilComplete(space)).status.succeeded).toBe(2)
      await space.remove()
    })

    test('should create pods for an Indexed job with completion indexes and specified hostname', async () => {
      const space = await bench().space()
      await space.create('jobs', job('test -n "$JOB_COMPLETION_INDEX"', { completionMode: 'Indexed' }))
      const done = await untilComplete(space)
      expect(done.status.completedIndexes).toBe('0-3')
      const pods = await space.pods(ofJob)
      for (const pod of pods) {
        const index = pod.metadata.annotations!['batch.kubernetes.io/job-completion-index']
        expect(pod.spec!.hostname).toBe(`work-${index}`)
        expect(pod.metadata.labels!['batch.kubernetes.io/job-completion-index']).toBe(index)
      }
      expect(new Set(pods.map(({ spec }) => spec!.hostname)).size).toBe(4)
      await space.remove()
    })

    test('should delete a job', async () => {
      const space = await bench().space()
      await space.create('jobs', job(forever))
      await running(space, 2)
      await space.delete('jobs', 'work', { propagationPolicy: 'Foreground' })
      await space.untilGone('jobs', 'work')
      expect(await space.pods(ofJob)).toEqual([])
      await space.remove()
    })

    test('should adopt matching orphans and release non-matching pods', async () => {
      const space = await bench().space()
      const made = await space.create('jobs', job(forever))
      const [pod] = await running(space, 2)
      const name = pod!.metadata.name!
      await space.update('pods', name, (object) => (object.metadata.ownerReferences = null))
      const adopted = await space.until('pods', name, ({ metadata }) => metadata.ownerReferences?.length === 1)
      expect(adopted.metadata.ownerReferences[0].uid).toBe(made.metadata.uid)
      await space.update('pods', name, (object) => (object.metadata.labels = null))
      await space.until('pods', name, ({ metadata }) => (metadata.ownerReferences ?? []).length === 0)
      await space.remove()
    })

    test('should apply changes to a job status', async () => {
      const space = await bench().space()
      await space.create('jobs', job(forever))
      await running(space, 2)
      const condition = { type: 'CustomConditionType', status: 'True', reason: 'E2E', message: 'Set by e2e test' }
      const patched = await space.patch(
        'jobs',
        'work/status',
        {
          metadata: { annotations: { patchedstatus: 'true' } },
          status: { conditions: [condition] },
        },
        'merge',
      )
      expect(patched.status.conditions).toContainEqual(expect.objectContaining(condition))
      expect(patched.metadata.annotations).toMatchObject({ patchedstatus: 'true' })
      const startTime = '2020-01-01T00:00:00Z'
      const updated = await space.send('PUT', 'jobs', 'work/status', {
        ...patched,
        status: { ...patched.status, startTime },
      })
      // The start of a running job does not move.
      if (updated.code === 200) expect(updated.body.status.startTime).toBe(startTime)
      else expect(updated.body.message).toMatch(/startTime|modified/)
      expect((await space.get('jobs', 'work/status')).status.active).toBe(2)
      await space.until('jobs', 'work', ({ status }) =>
        status.conditions?.some((one: Loose) => one.type === condition.type),
      )
      await space.remove()
    })

    test('should manage the lifecycle of a job', async () => {
      const space = await bench().space()
      await space.create('jobs', {
        ...job(forever, { suspend: true }),
        metadata: { name: 'work', labels: { lifecycle: 'yes' } },
      })
      const patched = await space.patch('jobs', 'work', { metadata: { labels: { work: 'patched' } } })
      expect(patched.metadata.labels.work).toBe('patched')
      const updated = await space.update('jobs', 'work', (object) => {
        object.spec.suspend = false
        object.metadata.annotations = { ...object.metadata.annotations, updated: 'true' }
      })
      expect(updated.metadata.annotations.updated).toBe('true')
      await running(space, 2)
      const all = await bench().api.ok('GET', '/apis/batch/v1/jobs?labelSelector=lifecycle=yes')
      expect(names(all.items)).toEqual(['work'])
      await space.deleteCollection('jobs', 'lifecycle=yes')
      await space.untilGone('jobs', 'work')
      await space.remove()
    })

    test('should not create pods when created in suspend state', async () => {
      const space = await bench().space()
      await space.create('jobs', job('true', { suspend: true, completions: 2 }))
      await space.until('jobs', 'work', (object) => has(object, 'Suspended', 'JobSuspended'))
      await holds(1000, async () => expect(await space.pods(ofJob)).toEqual([]))
      await space.patch('jobs', 'work', { spec: { suspend: false } })
      const done = await untilComplete(space)
      expect(done.status.conditions).toContainEqual(
        expect.objectContaining({ type: 'Suspended', status: 'False', reason: 'JobResumed' }),
      )
      await space.remove()
    })

    test('should delete pods when suspended', async () => {
      const space = await bench().space()
      await space.create('jobs', job(forever))
      await running(space, 2)
      await space.patch('jobs', 'work', { spec: { suspend: true } })
      await space.untilPods(ofJob, (pods) => pods.length === 0)
      const { status } = await space.until(
        'jobs',
        'work',
        (object) => has(object, 'Suspended') && !object.status.active,
      )
      expect(status.startTime).toBeUndefined()
      await space.remove()
    })

    test('should allow to use the pod failure policy on exit code to fail the job early', async () => {
      const space = await bench().space()
      const rules = [{ action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [1] } }]
      await space.create('jobs', job('exit 1', { parallelism: 1, completions: 1, podFailurePolicy: { rules } }))
      const failed = await untilFailed(space)
      expect(has(failed, 'Failed', 'PodFailurePolicy')).toBe(true)
      expect(has(failed, 'FailureTarget', 'PodFailurePolicy')).toBe(true)
      expect(failed.status.failed).toBe(1)
      await space.remove()
    })

    test('should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition', async () => {
      const space = await bench().space()
      const [nodeName] = bench().nodes
      const path = `/tmp/${space.namespace}`
      const line = `test -f /data/$JOB_COMPLETION_INDEX && exit 0; touch /data/$JOB_COMPLETION_INDEX; ${forever}`
      const spec = job(
        line,
        {
          completions: 2,
          completionMode: 'Indexed',
          backoffLimit: 0,
          podFailurePolicy: {
            rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
          },
        },
        { nodeName, volumes: [{ name: 'data', hostPath: { path, type: 'DirectoryOrCreate' } }] },
      )
      spec.spec.template.spec.containers[0].volumeMounts = [{ name: 'data', mountPath: '/data' }]
      await space.create('jobs', spec)
      for (const { metadata } of await running(space, 2)) {
        await eventually('the marker', async () => {
          const index = metadata.annotations!['batch.kubernetes.io/job-completion-index']
          return (await space.sh(metadata.name!, `ls /data/${index}`)) !== ''
        })
        const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name } }
        expect((await space.send('POST', 'pods', `${metadata.name}/eviction`, eviction)).code).toBe(201)
      }
      expect((await untilComplete(space)).status.succeeded).toBe(2)
      await space.remove()
    })

    test('with successPolicy should succeeded when all indexes succeeded', async () => {
      const space = await bench().space()
      const successPolicy = { rules: [{ succeededIndexes: '0-1', succeededCount: 2 }] }
      await space.create(
        'jobs',
        job('exit 0', { parallelism: 2, completions: 2, completionMode: 'Indexed', successPolicy }),
      )
      const done = await untilComplete(space)
      expect(has(done, 'SuccessCriteriaMet', 'SuccessPolicy')).toBe(true)
      expect(done.status.completedIndexes).toBe('0,1')
      await space.remove()
    })

    test('with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending', async () => {
      const space = await bench().space()
      const line = `test $JOB_COMPLETION_INDEX = 0 || ${forever}`
      const successPolicy = { rules: [{ succeededIndexes: '0' }] }
      await space.create('jobs', job(line, { completionMode: 'Indexed', successPolicy }))
      const done = await untilComplete(space)
      expect(has(done, 'Complete', 'SuccessPolicy')).toBe(true)
      expect(done.status).toMatchObject({ completedIndexes: '0', succeeded: 1, terminating: 0 })
      await space.remove()
    })

    test('with successPolicy succeededCount rule should succeeded even when some indexes remain pending', async () => {
      const space = await bench().space()
      const successPolicy = { rules: [{ succeededCount: 1 }] }
      const spec = { parallelism: 2, completions: 5, completionMode: 'Indexed', backoffLimit: 2 ** 31 - 1 }
      await space.create('jobs', job(failOn(1, 3), { ...spec, successPolicy }))
      const done = await untilComplete(space)
      expect(has(done, 'Complete', 'SuccessPolicy')).toBe(true)
      expect(done.status).toMatchObject({ completedIndexes: '0', ready: 0, terminating: 0 })
      await space.remove()
    })

    test('should execute all indexes despite some failing when using backoffLimitPerIndex', async () => {
      const space = await bench().space()
      await space.create(
        'jobs',
        job(failOn(0, 2), { completionMode: 'Indexed', backoffLimitPerIndex: 0, parallelism: 4 }),
      )
      const failed = await untilFailed(space)
      expect(failed.status).toMatchObject({ failed: 2, succeeded: 2, failedIndexes: '0,2', completedIndexes: '1,3' })
      expect(has(failed, 'Failed', 'FailedIndexes')).toBe(true)
      await space.remove()
    })

    test('should terminate job execution when the number of failed indexes exceeds maxFailedIndexes', async () => {
      const space = await bench().space()
      const spec = { parallelism: 1, completionMode: 'Indexed', backoffLimitPerIndex: 0, maxFailedIndexes: 0 }
      await space.create('jobs', job(`${failOn(0)}; ${forever}`, spec))
      const failed = await untilFailed(space)
      expect(failed.status.failedIndexes).toBe('0')
      expect(has(failed, 'Failed', 'MaxFailedIndexesExceeded')).toBe(true)
      expect(await space.pods(ofJob)).toHaveLength(1)
      await space.remove()
    })

    test('should mark indexes as failed when the FailIndex action is matched in podFailurePolicy', async () => {
      const space = await bench().space()
      const rules = [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [1] } }]
      await space.create('jobs', job(failOn(0), {
        parallelism: 2, completions: 2, completionMode: 'Indexed', backoffLimitPerIndex: 3, podFailurePolicy: { rules },
      })) // prettier-ignore
      const failed = await untilFailed(space)
      expect(failed.status).toMatchObject({ failedIndexes: '0', completedIndexes: '1', failed: 1 })
      await space.remove()
    })

    test('should record the failure-count in the Pod annotation when using backoffLimitPerIndex', async () => {
      const space = await bench().space()
      const spec = { parallelism: 1, completions: 1, completionMode: 'Indexed', backoffLimitPerIndex: 1 }
      await space.create('jobs', job('exit 1', spec))
      const failed = await untilFailed(space)
      expect(failed.status.failed).toBe(2)
      const counts = (await space.pods(ofJob)).map(
        ({ metadata }) => metadata.annotations!['batch.kubernetes.io/job-index-failure-count'],
      )
      expect(counts.toSorted()).toEqual(['0', '1'])
      await space.remove()
    })

    test('should recreate pods only after they have failed if pod replacement policy is set to Failed', async () => {
      const space = await bench().space()
      const line = 'trap "sleep 2; exit 1" TERM; sleep 100000 & wait'
      await space.create(
        'jobs',
        job(
          line,
          { parallelism: 1, completions: 1, podReplacementPolicy: 'Failed' },
          { terminationGracePeriodSeconds: 10 },
        ),
      )
      const [pod] = await running(space, 1)
      await space.delete('pods', pod!.metadata.name!)
      await space.until('jobs', 'work', ({ status }) => status.terminating === 1)
      expect(await space.pods(ofJob)).toEqual([])
      await running(space, 1)
      expect((await space.get('jobs', 'work')).status.failed).toBe(1)
      await space.remove()
    })

    test('should allow to delegate reconciliation to external controller', async () => {
      const space = await bench().space()
      await space.create('jobs', job('true', { managedBy: 'example.com/external' }))
      await holds(1500, async () => expect((await space.get('jobs', 'work')).status ?? {}).toEqual({}))
      expect(await space.pods(ofJob)).toEqual([])
      await space.remove()
    })

    test('should fail when exceeds active deadline', async () => {
      const space = await bench().space()
      await space.create('jobs', job(forever, { activeDeadlineSeconds: 1 }))
      expect(has(await untilFailed(space), 'Failed', 'DeadlineExceeded')).toBe(true)
      await space.untilPods(ofJob, (pods) => pods.length === 0)
      await space.remove()
    })

    test('should fail to exceed backoffLimit', async () => {
      const space = await bench().space()
      await space.create('jobs', job('exit 1', { parallelism: 1, completions: 1, backoffLimit: 1 }))
      const failed = await untilFailed(space)
      expect(has(failed, 'Failed', 'BackoffLimitExceeded')).toBe(true)
      expect(await space.pods(ofJob)).toHaveLength(2)
      await space.remove()
    })

    test('job should be deleted once it finishes after TTL seconds', async () => {
      const space = await bench().space()
      await space.create('jobs', job('true', { parallelism: 1, completions: 1, ttlSecondsAfterFinished: 1 }))
      await space.untilGone('jobs', 'work')
      await space.untilPods(ofJob, (pods) => pods.length === 0)
      await space.remove()
    })
  })
