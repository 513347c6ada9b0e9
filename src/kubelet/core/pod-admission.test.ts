import { describe, expect, test } from 'vitest'
import type { Node, Pod, PodSpec } from '../../api/kinds.ts'
import { refusal } from './pod-admission.ts'

const pod = (name: string, spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid: name },
  spec: { containers: [{ name: 'main', image: 'app:1' }], ...spec },
})
const asking = (requests: Record<string, string>): Partial<PodSpec> => ({
  containers: [{ name: 'main', image: 'app:1', resources: { requests } }],
})
const onPort = (hostPort: number, hostIP?: string): Partial<PodSpec> => ({
  containers: [{ name: 'main', image: 'app:1', ports: [{ containerPort: 80, hostPort, hostIP }] }],
})
const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels: { disk: 'ssd' } } }
const allocatable = { cpu: '2', memory: '1Gi', pods: '2' }
const reasonOf = (one: Pod, others: Pod[] = []) => refusal({ pod: one, node, allocatable, others })

describe('a node takes', () => {
  test('what fits', () => {
    expect(reasonOf(pod('a', asking({ cpu: '1500m' })), [pod('b', asking({ cpu: '500m' }))])).toBeUndefined()
  })
  test('a resource of which it knows nothing', () => {
    expect(reasonOf(pod('a', asking({ 'example.com/dongle': '1' })))).toBeUndefined()
  })
  test('the same port on another address', () => {
    expect(reasonOf(pod('a', onPort(80, '10.0.0.1')), [pod('b', onPort(80, '10.0.0.2'))])).toBeUndefined()
  })
  test('safe sysctls', () => {
    const sysctls = [{ name: 'kernel.shm_rmid_forced', value: '1' }]
    expect(reasonOf(pod('a', { securityContext: { sysctls } }))).toBeUndefined()
  })
})

describe('a node refuses', () => {
  test('more than is left of a resource', () => {
    expect(reasonOf(pod('a', asking({ cpu: '1600m' })), [pod('b', asking({ cpu: '500m' }))])).toEqual({
      reason: 'OutOfcpu',
      message: "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
    })
  })
  test('more pods than it has places', () => {
    expect(reasonOf(pod('a'), [pod('b'), pod('c')])?.reason).toBe('OutOfpods')
  })
  test('a host port that is taken', () => {
    expect(reasonOf(pod('a', onPort(80)), [pod('b', onPort(80, '10.0.0.1'))])).toEqual({
      reason: 'NodePorts',
      message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    })
  })
  test('labels that it does not have', () => {
    expect(reasonOf(pod('a', { nodeSelector: { disk: 'hdd' } }))?.reason).toBe('NodeAffinity')
  })
  test('another operating system', () => {
    expect(reasonOf(pod('a', { os: { name: 'windows' } }))?.reason).toBe('PodOSNotSupported')
  })
  test('groups that the engine cannot keep strictly to what the pod says', () => {
    expect(reasonOf(pod('a', { securityContext: { supplementalGroupsPolicy: 'Strict' } }))).toEqual({
      reason: 'SupplementalGroupsPolicyNotSupported',
      message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
    })
    expect(reasonOf(pod('a', { securityContext: { supplementalGroupsPolicy: 'Merge' } }))).toBeUndefined()
  })
  test('sysctls that reach beyond the pod', () => {
    const sysctls = [{ name: 'kernel.msgmax', value: '1' }]
    expect(reasonOf(pod('a', { securityContext: { sysctls } }))).toEqual({
      reason: 'SysctlForbidden',
      message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
    })
  })
})
