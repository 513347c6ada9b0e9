import { describe, expect, it } from 'vitest'
import type { Pod } from '../src/api/kinds.ts'
import { debugContainer, nodeDebugger, podCopy } from './debug-pods.ts'

const container = { name: 'debugger', image: 'box:1' }
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    nodeName: 'a',
    containers: [{ name: 'main', image: 'web:1', livenessProbe: { exec: { command: ['true'] } } }],
    ephemeralContainers: [{ name: 'old' }],
  },
}
const options = {
  name: 'copy',
  container,
  images: {},
  profile: 'general',
  sharesProcesses: true,
  sameNode: false,
} as const

describe('a container that looks into a pod', () => {
  it('has the rights of its profile', () => {
    expect(debugContainer(container, 'general').securityContext).toEqual({ capabilities: { add: ['SYS_PTRACE'] } })
    expect(debugContainer(container, 'restricted').securityContext?.runAsNonRoot).toBe(true)
    expect(debugContainer(container, 'baseline')).toEqual(container)
  })

  it('sees the host on a node, unless the profile forbids it', () => {
    expect(nodeDebugger('a', 'x', container, 'general').spec).toMatchObject({ nodeName: 'a', hostPID: true })
    expect(nodeDebugger('a', 'x', container, 'restricted').spec?.hostPID).toBeUndefined()
  })
})

describe('a copy of a pod', () => {
  it('has neither labels nor probes nor node, and one container more', () => {
    const copied = podCopy(pod, options)
    expect(copied.metadata).toEqual({ name: 'copy' })
    expect(copied.spec?.nodeName).toBeUndefined()
    expect(copied.spec?.containers.map(({ name }) => name)).toEqual(['main', 'debugger'])
    expect(copied.spec?.containers[0]?.livenessProbe).toBeUndefined()
  })

  it('takes other images, and changes a container of the same name', () => {
    const changed = podCopy(pod, { ...options, images: { '*': 'web:2' }, container: { name: 'main', command: ['sh'] } })
    expect(changed.spec?.containers).toEqual([{ name: 'main', image: 'web:2', command: ['sh'] }])
  })
})
