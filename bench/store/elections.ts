import { SimulatedCluster } from '../../src/simulation/simulated-cluster.ts'

const layout = { listKeys: () => undefined }
const limitMs = 60_000

/**
 * How long it takes until another leads after the leader lost power, by virtual time: what the protocol costs on a
 * network of 1–5 ms, without this machine's load. Each kill is of another seed, at another moment.
 */
export async function electionTimesMs(kills: number, nodes: number): Promise<number[]> {
  const times: number[] = []
  for (let seed = 1; seed <= kills; seed += 1) {
    const cluster = new SimulatedCluster({ seed, nodes, layout })
    await cluster.form()
    const { leader, time } = cluster
    if (!leader) throw new Error('the simulated cluster has no leader')
    await time.advance(cluster.chance.next() * 1_000)
    const killedMs = time.nowMs
    cluster.kill(leader)
    if (!(await time.until(() => cluster.leader !== undefined, limitMs, 5)))
      throw new Error(`seed ${seed}: nobody leads`)
    times.push(time.nowMs - killedMs)
    cluster.end()
  }
  return times.toSorted((a, b) => a - b)
}
