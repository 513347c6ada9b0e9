import { exec, execOk } from '../../../src/lib/exec.ts'
import type { PodNetwork } from '../../../src/kubelet/options.ts'

/** Pods with an address each on a veth to this machine, and nothing more: enough for probes. */
export function createVethNetwork(prefix: string): PodNetwork {
  const attached = new Map<string, { ip: string; link: string }>()
  let next = 10
  async function wire(pid: number, ip: string, link: string): Promise<void> {
    await execOk('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)])
    await execOk('ip', ['addr', 'add', `${prefix}.1/32`, 'dev', link])
    await execOk('ip', ['link', 'set', link, 'up'])
    await execOk('ip', ['route', 'add', `${ip}/32`, 'dev', link])
    const inside = `addr add ${ip}/32 dev eth0\nlink set lo up\nlink set eth0 up\nroute add ${prefix}.1 dev eth0\nroute add default via ${prefix}.1\n`
    await execOk('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-batch', '-'], { input: inside })
  }
  return {
    async attach({ podUid, pid }) {
      const known = attached.get(podUid)
      if (known !== undefined) return { ip: known.ip }
      const number = next++
      const ip = `${prefix}.${number}`
      const link = `kt${process.pid % 100_000}x${number}`
      try {
        await wire(pid, ip, link)
      } catch (error) {
        // Half of it, or all that an agent made that was killed meanwhile: the next try begins anew.
        await exec('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', 'link', 'del', 'eth0'])
        throw error
      }
      attached.set(podUid, { ip, link })
      return { ip }
    },
    async detach(podUid) {
      const known = attached.get(podUid)
      attached.delete(podUid)
      if (known !== undefined) await execOk('sh', ['-c', 'ip link del "$1" 2>/dev/null || true', 'sh', known.link])
    },
    list: async () => [...attached].map(([podUid, { ip }]) => ({ podUid, ip })),
  }
}
