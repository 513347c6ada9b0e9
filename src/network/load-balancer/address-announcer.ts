import { isIP } from 'node:net'
import { announcerAnnotation } from '../../api/load-balancer.ts'
import type { Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service as LifeCycle } from '../../lib/service.ts'
import type { Exec } from '../exec.ts'
import { createIpCommand } from '../pod-network/ip-command.ts'

/** Marks our addresses of IPv4, so that others' are never touched. */
export const labelSuffix = ':slb'
/** Marks those of IPv6, which have no labels. It is the metric of a route of one address, and preferred over nothing. */
const ownMetric = 1_170_117
const gatherMs = 50
const resyncIntervalMs = 60_000
const retryMs = 2_000
/** Switches and neighbours that missed one announcement hear another. */
const announcements = 3

/** The addresses of the pool that a node is to answer for on its link. Pure. */
export function announcedAddresses(services: readonly Service[], nodeName: string): Set<string> {
  return new Set(
    services
      .filter(({ metadata }) => metadata.annotations?.[announcerAnnotation] === nodeName)
      .flatMap(({ status }) => status?.loadBalancer?.ingress ?? [])
      .map((one) => one.ip ?? '')
      .filter(Boolean),
  )
}

interface AddressListing {
  local?: string
  label?: string
  metric?: number
  dadfailed?: boolean
}

interface HeldAddress {
  readonly address: string
  /** Another machine of the link has it too. */
  readonly isRefused: boolean
}

const hostRange = (address: string): string => `${address}/${isIP(address) === 6 ? 128 : 32}`

/**
 * Makes this node answer ARP and neighbour discovery for the LoadBalancer addresses that it was told to announce: they
 * are added to the interface of the node's own address, and neighbours are told at once, so that they forget who had them
 * before.
 */
export function createAddressAnnouncer(options: {
  nodeName: string
  nodeIp: string
  informers: Informers
  exec: Exec
  clock: Clock
  logger: Logger
}): LifeCycle & { remove(): Promise<void> } {
  const { exec, clock, logger } = options
  const ip = createIpCommand(exec)
  const services = options.informers.for<Service>(refs.services)
  let running: Promise<void> = Promise.resolve()
  let stopWatching = () => {}
  let timer: Timer | undefined
  let stopped = true

  async function device(): Promise<string | undefined> {
    const links = await ip.list<{ ifname: string; addr_info?: { local?: string }[] }>('addr', 'show')
    return links.find((link) => link.addr_info?.some((one) => one.local === options.nodeIp))?.ifname
  }

  async function present(on: string): Promise<HeldAddress[]> {
    const [link] = await ip.list<{ addr_info?: AddressListing[] }>('addr', 'show', 'dev', on)
    return (link?.addr_info ?? []).flatMap(({ local, label, metric, dadfailed }) =>
      local && (label === on + labelSuffix || metric === ownMetric)
        ? [{ address: local, isRefused: dadfailed === true }]
        : [],
    )
  }

  async function reconcile(wanted: ReadonlySet<string>): Promise<void> {
    const on = await device()
    if (on === undefined) return
    const held = await present(on)
    for (const { address, isRefused } of held) {
      // Somebody else had the address when it was added: it is tried again, for that may have been its former node.
      if (!wanted.has(address) || isRefused) await ip.attempt('addr', 'del', hostRange(address), 'dev', on)
    }
    for (const address of wanted) {
      if (held.some((one) => one.address === address && !one.isRefused)) continue
      if (isIP(address) === 6) await add6(address, on)
      else await ip.run('addr', 'add', hostRange(address), 'dev', on, 'label', on + labelSuffix)
      logger.info({ address, on }, 'announcing a LoadBalancer address')
      if (isIP(address) === 4) void announce(address, on)
    }
  }

  /**
   * The kernel itself tells the neighbours, once it is sure that nobody else has the address (RFC 4861, 4862). Deprecated
   * addresses are not chosen as the source of what this node sends or masquerades: answers to it might go elsewhere.
   */
  async function add6(address: string, on: string): Promise<void> {
    await ip.sysctl(`net/ipv6/conf/${on}/ndisc_notify`, '1')
    const marks = ['metric', String(ownMetric), 'preferred_lft', '0']
    await ip.run('addr', 'add', hostRange(address), 'dev', on, ...marks)
  }

  /** Without the program neighbours find out when their entry has grown old. */
  async function announce(address: string, on: string): Promise<void> {
    const args = ['arping', '-U', '-c', String(announcements), '-I', on, address]
    try {
      const { code, stderr } = await exec('busybox', args, { timeoutMs: 15_000 })
      if (code !== 0) logger.warn({ address, error: stderr.trim() }, 'neighbours were not told of an address')
    } catch (error) {
      logger.warn({ address, error: (error as Error).message }, 'neighbours were not told of an address')
    }
  }

  function schedule(delayMs: number): void {
    timer?.cancel()
    if (stopped) return
    timer = clock.after(delayMs, () => {
      timer = undefined
      running = running.then(round)
    })
  }

  async function round(): Promise<void> {
    let nextMs = resyncIntervalMs
    try {
      await reconcile(announcedAddresses(services.list(), options.nodeName))
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'LoadBalancer addresses could not be set')
      nextMs = retryMs
    }
    // A change during the round has already asked for the next one.
    if (timer === undefined) schedule(nextMs)
  }

  return {
    async start() {
      stopped = false
      stopWatching = services.onChange(({ object, previous }) => {
        if ((object ?? previous)?.spec?.type === 'LoadBalancer') schedule(gatherMs)
      })
      schedule(0)
    },
    async stop() {
      stopped = true
      stopWatching()
      timer?.cancel()
      await running
    },
    remove: () => reconcile(new Set()),
  }
}
