import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec, execOk } from '../../../src/lib/exec.ts'

/** A Docker daemon of the test's own, with its data, and no network of its own. */
export interface DockerMachine {
  readonly socketPath: string
  readonly directory: string
  docker(...args: string[]): Promise<string>
  /** Ends the daemon; containers go on (live restore). */
  stop(): Promise<void>
  start(): Promise<void>
  down(): Promise<void>
}

const startTimeoutMs = 20_000

export async function dockerMachine(): Promise<DockerMachine> {
  const directory = await mkdtemp(join(tmpdir(), 'stormo-kubelet-'))
  // What is mounted in it later, such as volumes in memory, must reach the daemon's mount namespace.
  await execOk('mount', ['--bind', directory, directory])
  await execOk('mount', ['--make-shared', directory])
  const socketPath = join(directory, 'docker.sock')
  const cgroup = `/${directory.split('/').at(-1)}`
  let daemon: ChildProcess | undefined
  const docker = (...args: string[]): Promise<string> => execOk('docker', ['-H', `unix://${socketPath}`, ...args])

  async function start(): Promise<void> {
    const flags =
      `--data-root ${directory}/data --exec-root ${directory}/exec --pidfile ${directory}/docker.pid -H unix://${socketPath}
      --bridge=none --iptables=false --userland-proxy=false --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent ${cgroup}
      --shutdown-timeout 2 --live-restore`.replace(/\s+/g, ' ')
    await rm(`${directory}/docker.pid`, { force: true })
    const script = `mkdir -p /run/docker && mount -t tmpfs tmpfs /run/docker && exec dockerd ${flags} >>${directory}/log 2>&1`
    daemon = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script], { stdio: 'ignore' })
    const deadline = performance.now() + startTimeoutMs
    while ((await exec('docker', ['-H', `unix://${socketPath}`, 'version'])).code !== 0) {
      if (performance.now() > deadline || daemon.exitCode !== null)
        throw new Error(`dockerd did not start: see ${directory}/log`)
      await sleep(50)
    }
  }

  async function stop(): Promise<void> {
    const ended = new Promise((resolve) => daemon?.once('exit', resolve))
    daemon?.kill('SIGTERM')
    await ended
  }

  await start()
  return {
    socketPath,
    directory,
    docker,
    start,
    stop,
    async down() {
      const left = async (): Promise<string[]> => (await docker('ps', '-aq')).split('\n').filter((id) => id !== '')
      // What an agent had begun to remove may not be removed by two; it is gone a moment later.
      for (let ids = await left(); ids.length > 0; ids = await left()) {
        await exec('docker', ['-H', `unix://${socketPath}`, 'rm', '-f', ...ids])
      }
      await stop()
      await execOk('sh', [
        '-c',
        `for d in /sys/fs/cgroup/*${cgroup} /sys/fs/cgroup${cgroup}; do [ -d $d ] && find $d -depth -type d -exec rmdir {} +; done; true`,
      ])
      await execOk('umount', ['--lazy', '--recursive', directory])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Brings busybox, from this machine, as an image without a registry. */
export async function importBusybox(machine: DockerMachine, name = 'busybox:1'): Promise<void> {
  const root = join(machine.directory, 'busybox-root')
  await mkdir(join(root, 'bin'), { recursive: true })
  await mkdir(join(root, 'tmp'), { recursive: true })
  await mkdir(join(root, 'etc'), { recursive: true })
  await copyFile('/bin/busybox', join(root, 'bin', 'busybox'))
  await chmod(join(root, 'tmp'), 0o1777)
  await execOk('sh', [
    '-c',
    'for c in $("$1/bin/busybox" --list); do [ $c = busybox ] || ln -sf busybox "$1/bin/$c"; done',
    'sh',
    root,
  ])
  const tar = join(machine.directory, 'busybox.tar')
  await execOk('tar', ['-C', root, '-cf', tar, '.'])
  await machine.docker('import', tar, name)
}
