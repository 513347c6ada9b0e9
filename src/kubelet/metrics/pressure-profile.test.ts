import { expect, test } from 'vitest'
import { formatPressure, parsePressure } from '../../scheduler/plugins/inter-pod-interference.ts'
import type { PodUse } from '../serve/stats-summary.ts'
import { pressureProfile } from './pressure-profile.ts'

const time = '2026-01-01T00:00:00Z'
const cpu = { time, usageNanoCores: 500_000_000, usageCoreNanoSeconds: 0 }
const memory = { time, usageBytes: 0, workingSetBytes: 256, rssBytes: 0 }
const room = { cores: 2, memoryBytes: 1024 }
const pod = (containers: object[]) => ({ cpu, memory, containers }) as unknown as PodUse
const stalls = (avg60: number) => ({ some: { avg60 } })

test('without stall information a pod strains what it uses of its node', () => {
  expect(pressureProfile(pod([{ cpu, memory }]), room)).toEqual({ cpu: 0.25, memory: 0.25, io: 0 })
})

test('with it, it strains what its container that waits most waits for', () => {
  const waiting = (share: number) => ({
    cpu: { ...cpu, psi: stalls(share) },
    memory: { ...memory, psi: stalls(0) },
    io: { time, psi: stalls(2 * share) },
  })
  expect(pressureProfile(pod([waiting(10), waiting(40)]), room)).toEqual({ cpu: 0.4, memory: 0, io: 0.8 })
})

test('a profile is read back as it was written, without what is next to nothing', () => {
  const text = formatPressure({ cpu: 1.7, memory: 0.0001, io: 0.25 })
  expect(text).toBe('cpu=1,io=0.25')
  expect(parsePressure(text)).toEqual({ cpu: 1, io: 0.25 })
  expect(parsePressure(formatPressure({ cpu: 0 }))).toBeUndefined()
})
