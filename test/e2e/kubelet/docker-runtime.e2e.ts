import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/lib/system.ts'
import { createDockerRuntime } from '../../../src/runtime/docker/docker-runtime.ts'
import { describeRuntimeContract } from '../../../src/runtime/testing/runtime-contract.ts'
import { dockerMachine, importBusybox } from './docker-machine.ts'

describeRuntimeContract('Docker Engine', async () => {
  const machine = await dockerMachine()
  await importBusybox(machine, 'base:1')
  const id = (
    await machine.docker('create', 'base:1', 'sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done')
  ).trim()
  await machine.docker('commit', id, 'busybox:1')
  await machine.docker('rm', id)
  const runtime = createDockerRuntime({
    socketPath: machine.socketPath,
    clock: systemClock,
    logger: silentLogger,
    minOomScoreAdjust: 0,
  })
  return {
    runtime,
    image: 'busybox:1',
    async until(condition) {
      while (!(await condition())) await sleep(50)
    },
    during: (work) => work,
    async close() {
      await runtime.close()
      await machine.down()
    },
  }
})
