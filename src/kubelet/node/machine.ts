import { readFile, statfs } from 'node:fs/promises'
import { arch, cpus, hostname, release, totalmem } from 'node:os'

/** What the machine is and has. */
export interface Machine {
  readonly hostname: string
  readonly machineId: string
  readonly bootId: string
  readonly kernelVersion: string
  readonly osImage: string
  readonly architecture: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly diskBytes: number
}

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' }

const readText = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  )

export async function inspectMachine(dataDir: string): Promise<Machine> {
  const release_ = await readText('/etc/os-release')
  const disk = await statfs(dataDir)
  return {
    hostname: hostname(),
    machineId: await readText('/etc/machine-id'),
    bootId: await readText('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?(.*?)"?$/m.exec(release_)?.[1] ?? 'Linux',
    architecture: architectures[arch()] ?? arch(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
  }
}

/** What is left of the machine now. */
export interface Pressure {
  readonly memoryAvailableBytes: number
  readonly diskAvailableRatio: number
  readonly inodesAvailableRatio: number
  readonly pidsAvailableRatio: number
}

export async function measurePressure(dataDir: string): Promise<Pressure> {
  const memory = await readText('/proc/meminfo')
  const kilobytes = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(memory)?.[1] ?? Number.NaN)
  const disk = await statfs(dataDir)
  const load = await readText('/proc/loadavg')
  const processes = Number(load.split(' ')[3]?.split('/')[1] ?? 0)
  const maxPids = Number(await readText('/proc/sys/kernel/pid_max')) || Infinity
  return {
    memoryAvailableBytes: Number.isNaN(kilobytes) ? Infinity : kilobytes * 1024,
    diskAvailableRatio: disk.blocks === 0 ? 1 : disk.bavail / disk.blocks,
    // File systems without a fixed number of inodes say 0.
    inodesAvailableRatio: disk.files === 0 ? 1 : disk.ffree / disk.files,
    pidsAvailableRatio: 1 - processes / maxPids,
  }
}
