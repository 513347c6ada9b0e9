import { canEncrypt, startLab, type Lab } from '../../test/e2e/network/namespaces.ts'
import { execOk } from '../../src/lib/exec.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { measureInTurn, rowsOf, startServer, type Way } from './paths.ts'

type Backend = 'host-gw' | 'vxlan' | 'wireguard'
/** What is left of the link between two nodes for their pods. WireGuard in user space has the pace of its program. */
const goals: Readonly<Record<Backend, number | undefined>> = { 'host-gw': 0.95, vxlan: 0.8, wireguard: undefined }

/**
 * From pod to pod of another node by each backend, against the way from node to node on the same link: once on a link of
 * 1 Gbit/s, as machines have them, and once on one that is as fast as memory, where every instruction counts.
 */
export async function measureBackends(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = []
  for (const backend of Object.keys(goals) as Backend[]) {
    if (backend === 'wireguard' && !canEncrypt) continue
    options.progress(`${backend} between two nodes`)
    const lab = await startLab(2, backend)
    try {
      await lab.introduceNodes()
      rows.push(...(await measureLab(lab, `${backend}, link of memory`, undefined, options)))
      for (const { enter } of lab.nodes) await limitLink(enter)
      rows.push(...(await measureLab(lab, `${backend}, link of 1 Gbit/s`, goals[backend], options)))
    } finally {
      await lab.stop()
    }
  }
  return rows
}

/** Pods of one node need names of their own. */
let measured = 0

async function measureLab(lab: Lab, what: string, goal: number | undefined, options: BenchOptions): Promise<Row[]> {
  const [here, there] = lab.nodes
  if (!here || !there) throw new Error('the lab has no two nodes')
  measured += 1
  const client = await here.startPod(`client-${measured}`)
  const server = await there.startPod(`server-${measured}`)
  const stops = [there.enter, server.enter].map(startServer)
  const ways: Way[] = [
    { enter: here.enter, address: there.ip },
    { enter: client.enter, address: server.ip },
  ]
  try {
    const [link, pods] = await measureInTurn(ways, options)
    return link && pods ? rowsOf(what, pods, { what: 'node to node', rounds: link }, goal) : []
  } finally {
    await Promise.all(stops.map((stop) => stop()))
  }
}

const limitLink = ([program = '', ...enter]: readonly string[]): Promise<string> =>
  execOk(program, [
    ...enter,
    'tc',
    'qdisc',
    'add',
    'dev',
    'eth0',
    'root',
    'tbf',
    ...'rate 1gbit burst 256k latency 20ms'.split(' '),
  ])
