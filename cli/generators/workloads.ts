import type { CronJob, Deployment, Job, PodSpec } from '../../src/api/kinds.ts'
import { option, UsageError } from '../command.ts'
import type { Generator } from './generator.ts'

/** The last part of an image's name, for containers that are given no name of their own. */
export function containerName(image: string): string {
  const last = image.split('/').at(-1) ?? image
  return (last.split('@')[0] ?? last).split(':')[0]!.replaceAll(/[^-a-z0-9]/g, '-') || 'container'
}

export const deploymentGenerator: Generator = {
  name: 'deployment',
  aliases: ['deploy'],
  arguments: '<name> [command...]',
  summary: 'A deployment of one or more images',
  takesRest: true,
  options: [
    { flags: '--image <image>', summary: 'image to run; several make several containers', repeatable: true },
    { flags: '-r, --replicas <count>', summary: 'how many pods', integer: true, default: 1 },
    { flags: '--port <port>', summary: 'port that the container listens on', integer: true },
  ],
  target: { group: 'apps', version: 'v1', resource: 'deployments', singular: 'deployment', namespaced: true },
  build(invocation): Deployment {
    const [name = '', ...words] = invocation.args
    const images = option.list(invocation, 'image').flatMap((one) => one.split(','))
    const command = [...words, ...invocation.rest]
    if (images.length === 0) throw new UsageError('required flag(s) "image" not set')
    if (images.length > 1 && command.length > 0)
      throw new UsageError('cannot specify multiple --image options and command')
    const port = option.integer(invocation, 'port')
    const labels = { app: name }
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels },
      spec: {
        replicas: option.integer(invocation, 'replicas') ?? 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: images.map((image, index) => ({
              name:
                images.length > 1
                  ? `${containerName(image)}${index > 0 && images.slice(0, index).some((one) => containerName(one) === containerName(image)) ? `-${index}` : ''}`
                  : containerName(image),
              image,
              ...(command.length > 0 ? { command } : {}),
              ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
            })),
          },
        },
      },
    }
  },
}

function podSpec(name: string, image: string, command: readonly string[], restartPolicy: string): PodSpec {
  return {
    containers: [{ name, image, ...(command.length > 0 ? { command: [...command] } : {}) }],
    restartPolicy,
  }
}

function requiredImage(image: string | undefined): string {
  if (image === undefined || image === '') throw new UsageError('required flag(s) "image" not set')
  return image
}

export const jobGenerator: Generator = {
  name: 'job',
  arguments: '<name> [command...]',
  summary: 'A job that runs an image to its end, or a cron job once',
  takesRest: true,
  options: [
    { flags: '--image <image>', summary: 'image to run' },
    { flags: '--from <cronjob/name>', summary: 'take the template of this cron job' },
  ],
  target: { group: 'batch', version: 'v1', resource: 'jobs', singular: 'job', namespaced: true },
  async build(invocation): Promise<Job> {
    const [name = '', ...words] = invocation.args
    const from = option.text(invocation, 'from')
    const image = option.text(invocation, 'image')
    if ((from === undefined) === (image === undefined))
      throw new UsageError('either --image or --from must be specified')
    if (from !== undefined) return await jobFromCronJob(invocation, name, from)
    return {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name },
      spec: { template: { spec: podSpec(name, requiredImage(image), [...words, ...invocation.rest], 'Never') } },
    }
  },
}

async function jobFromCronJob(invocation: Parameters<Generator['build']>[0], name: string, from: string): Promise<Job> {
  const [type, cronName] = from.split('/')
  if (!cronName || !['cronjob', 'cronjobs', 'cj', 'cronjob.batch', 'cronjobs.batch'].includes(type ?? ''))
    throw new UsageError(`from must be an existing cronjob: cronjob/<name>, not "${from}"`)
  const { withClient } = await import('../connection.ts')
  const { namespaceOf } = await import('../targets.ts')
  const cronJob = await withClient(invocation, (client) =>
    client.json<CronJob>({
      path: `/apis/batch/v1/namespaces/${namespaceOf(invocation, client)}/cronjobs/${encodeURIComponent(cronName)}`,
    }),
  )
  const template = cronJob.spec?.jobTemplate
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      annotations: { 'cronjob.kubernetes.io/instantiate': 'manual', ...template?.metadata?.annotations },
      ...(template?.metadata?.labels ? { labels: template.metadata.labels } : {}),
      ownerReferences: [
        {
          apiVersion: 'batch/v1',
          kind: 'CronJob',
          name: cronName,
          uid: cronJob.metadata.uid ?? '',
          controller: true,
        },
      ],
    },
    spec: template?.spec ?? { template: {} },
  }
}

export const cronJobGenerator: Generator = {
  name: 'cronjob',
  aliases: ['cj'],
  arguments: '<name> [command...]',
  summary: 'A job that is run on a schedule',
  takesRest: true,
  options: [
    { flags: '--image <image>', summary: 'image to run' },
    { flags: '--schedule <cron>', summary: 'when, for example "*/5 * * * *"' },
    { flags: '--restart <policy>', summary: 'OnFailure or Never', default: 'OnFailure' },
  ],
  target: { group: 'batch', version: 'v1', resource: 'cronjobs', singular: 'cronjob', namespaced: true },
  build(invocation): CronJob {
    const [name = '', ...words] = invocation.args
    const schedule = option.text(invocation, 'schedule')
    if (!schedule) throw new UsageError('required flag(s) "schedule" not set')
    const restart = option.text(invocation, 'restart') ?? 'OnFailure'
    const spec = podSpec(name, requiredImage(option.text(invocation, 'image')), [...words, ...invocation.rest], restart)
    return {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name },
      spec: { schedule, jobTemplate: { metadata: { name }, spec: { template: { spec } } } },
    }
  },
}
