import { readFile } from 'node:fs/promises'
import { serviceNameLabel } from '../api/endpoint-slice.ts'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { ownIngresses, servesIngress, servingAnnotation } from '../api/ingress-class.ts'
import type { EndpointSlice, Ingress as IngressObject, IngressClass, Node, Secret, Service } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { type Client, refs } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { exec } from '../lib/exec.ts'
import type { Logger } from '../lib/log.ts'
import type { Service as LifeCycle } from '../lib/service.ts'
import { makeDefaultCertificate } from './default-certificate.ts'
import { defaultCertificate, haproxyFiles, type HaproxyFiles } from './haproxy-config.ts'
import { createHaproxyProcess } from './haproxy-process.ts'
import { referenceOf } from './reference.ts'
import { planRoutes, type IngressState, type RoutePlan } from './routes.ts'
import { assignAllSlots, slotCommands, type ServerSlots } from './server-slots.ts'

export interface IngressOptions {
  nodeName: string
  /** Everything that the proxy reads and writes; made, and owned by root. At most 80 characters (a socket lies there). */
  dir: string
  httpPort: number
  httpsPort: number
  informers: Informers
  client: Client
  events: EventRecorder
  exec: typeof exec
  clock: Clock
  random: Random
  logger: Logger
}

export interface Ingress extends LifeCycle {
  /** Ends the proxy and removes its files. Only when stopped. */
  reset(): Promise<void>
}

const gatherMs = 100
const retryMs = 15_000
const watchdogMs = 5_000
const maxThreads = 8

/**
 * Serves the cluster's Ingresses on this node. The proxy runs from the first Ingress on, so that nothing is listened to
 * where nothing is asked for; it outlives the agent, as service rules do, until `reset`.
 */
export function createIngress(options: IngressOptions): Ingress {
  const { informers, nodeName, clock, events, dir } = options
  const logger = options.logger.child({ component: 'ingress' })
  const proxy = createHaproxyProcess({ dir, exec: options.exec, clock })
  const ingresses = informers.for<IngressObject>(refs.ingresses)
  const classes = informers.for<IngressClass>(refs.ingressClasses)
  const services = informers.for<Service>(refs.services)
  const slices = informers.for<EndpointSlice>(refs.endpointSlices)
  const secrets = informers.for<Secret>(refs.secrets)
  const nodes = informers.for<Node>(refs.nodes)

  /** `service/NAMESPACE/NAME` and `secret/…` that the plan has looked at: changes of others are of no interest. */
  let used = new Set<string>()
  let loaded: { shape: string; slots: ReadonlyMap<string, ServerSlots> } | undefined
  let timer: Timer | undefined
  let watchdog: Timer | undefined
  let running: Promise<void> = Promise.resolve()
  let stops: (() => void)[] = []
  let stopped = true
  let lastProblem = ''

  function readState(): IngressState {
    const seen = new Set<string>()
    const byService = Map.groupBy(
      slices.list(),
      (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`,
    )
    used = seen
    return {
      ingresses: ingresses.list(),
      classes: classes.list(),
      service(namespace, name) {
        seen.add(`service/${namespace}/${name}`)
        return services.get(namespace, name)
      },
      slices: (namespace, service) => byService.get(`${namespace}/${service}`) ?? [],
      secret(namespace, name) {
        seen.add(`secret/${namespace}/${name}`)
        return secrets.get(namespace, name)
      },
    }
  }

  async function reconcile(): Promise<void> {
    if (ownIngresses(ingresses.list(), classes.list()).length === 0) {
      used = new Set()
      loaded = undefined
      if (await proxy.isRunning()) await proxy.remove()
      return announce(false)
    }
    const plan = planRoutes(readState())
    const slots = assignAllSlots(loaded?.slots ?? new Map(), plan.backends)
    const haproxy = {
      dir,
      httpPort: options.httpPort,
      httpsPort: options.httpsPort,
      hasUser: await hasUser('haproxy'),
      threads: Math.min(maxThreads, availableParallelism()),
    }
    const files = haproxyFiles(plan, slots, haproxy)
    const shape = shapeOf(haproxyFiles(plan, blank(slots), haproxy))
    const commands = loaded?.shape === shape ? slotCommands(loaded.slots, slots) : undefined
    if (!commands || !(await proxy.isRunning()) || !(await changed(commands, files))) await load(files, plan)
    loaded = { shape, slots }
    report(plan)
    await announce(true)
  }

  /** False when the proxy refuses: then it has to read everything anew. */
  async function changed(commands: readonly string[], files: HaproxyFiles): Promise<boolean> {
    try {
      if (commands.length > 0) await proxy.change(commands, files)
      return true
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'reading the whole configuration anew')
      return false
    }
  }

  async function load(files: HaproxyFiles, plan: RoutePlan): Promise<void> {
    loaded = undefined
    const certificate =
      (await readFile(join(dir, defaultCertificate), 'utf8').catch(() => undefined)) ??
      (await makeDefaultCertificate(clock.nowMs(), options.random))
    await proxy.load(new Map([...files, [defaultCertificate, certificate]]))
    logger.info({ routes: plan.routes.length, backends: plan.backends.length }, 'ingress serves')
  }

  /** Every node sees the same; the first one that serves says it. */
  function report(plan: RoutePlan): void {
    for (const { about, message } of plan.problems) logger.debug({ ingress: about.name, message }, 'ingress problem')
    const speaker = nodes
      .list()
      .filter(servesIngress)
      .map((node) => node.metadata.name ?? '')
      .toSorted()[0]
    if (speaker !== nodeName) return
    for (const { about, message } of plan.problems) events.event(about, 'Warning', 'IngressProblem', message)
  }

  async function announce(isServingNow: boolean): Promise<void> {
    const node = nodes.get('', nodeName)
    if (!node || servesIngress(node) === isServingNow) return
    await options.client.mutate<Node>(refs.nodes, '', nodeName, (current) => {
      const { [servingAnnotation]: _gone, ...others } = current.metadata.annotations ?? {}
      const annotations = isServingNow ? { ...others, [servingAnnotation]: 'true' } : others
      return { ...current, metadata: { ...current.metadata, annotations } }
    })
  }

  async function round(): Promise<void> {
    try {
      await reconcile()
      lastProblem = ''
    } catch (error) {
      if (stopped) return
      const { code, syscall } = error as NodeJS.ErrnoException
      const isMissing = code === 'ENOENT' && syscall?.startsWith('spawn')
      const problem = isMissing
        ? "haproxy is not installed: this node serves no Ingress; install Debian's package haproxy"
        : (error as Error).message
      if (problem !== lastProblem) logger.warn({ problem }, 'this node does not serve Ingress')
      lastProblem = problem
      const node = nodes.get('', nodeName)
      if (node) events.event(referenceOf(node), 'Warning', 'IngressNotServed', problem)
      await announce(await proxy.isRunning()).catch(() => undefined)
      schedule(retryMs)
    }
  }

  function schedule(delayMs: number): void {
    timer?.cancel()
    if (stopped) return
    timer = clock.after(delayMs, () => {
      running = running.then(round)
    })
  }

  /** A proxy that was killed is started again; its log has a bound. */
  function watch(): void {
    watchdog = clock.after(watchdogMs, () => {
      running = running.then(async () => {
        if (loaded && !(await proxy.isRunning())) {
          loaded = undefined
          await round()
        }
        await proxy
          .rotateLog()
          .catch((error: unknown) => logger.warn({ error: String(error) }, 'access log not rotated'))
        if (!stopped) watch()
      })
    })
  }

  const follow = <T extends KubeObject>(ref: GroupResource, matters: (object: T) => boolean): (() => void) =>
    informers.for<T>(ref).onChange(({ object, previous }) => {
      if ((object && matters(object)) || (previous && matters(previous))) schedule(gatherMs)
    })

  return {
    async start() {
      stopped = false
      stops = [
        follow<IngressObject>(refs.ingresses, () => true),
        follow<IngressClass>(refs.ingressClasses, () => true),
        follow<Service>(refs.services, ({ metadata }) => used.has(`service/${metadata.namespace}/${metadata.name}`)),
        follow<EndpointSlice>(refs.endpointSlices, ({ metadata }) =>
          used.has(`service/${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}`),
        ),
        follow<Secret>(refs.secrets, ({ metadata }) => used.has(`secret/${metadata.namespace}/${metadata.name}`)),
        // Not yet there at the first start of a node: what it serves is announced when it is.
        follow<Node>(
          refs.nodes,
          (node) => node.metadata.name === nodeName && servesIngress(node) !== (loaded !== undefined),
        ),
      ]
      schedule(0)
      watch()
    },
    async stop() {
      stopped = true
      for (const stop of stops) stop()
      stops = []
      timer?.cancel()
      watchdog?.cancel()
      await running
    },
    reset: () => proxy.remove(),
  }
}

const blank = (slots: ReadonlyMap<string, ServerSlots>): Map<string, ServerSlots> =>
  new Map([...slots].map(([name, list]) => [name, list.map(() => undefined)]))

const shapeOf = (files: HaproxyFiles): string => JSON.stringify([...files])

async function hasUser(name: string): Promise<boolean> {
  return (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').some((line) => line.startsWith(`${name}:`))
}
