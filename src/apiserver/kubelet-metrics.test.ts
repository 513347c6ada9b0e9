import { expect, test } from 'vitest'
import { cadvisorMetrics, kubeletMetrics, resourceMetrics, type NodeFigures } from './kubelet-metrics.ts'

const time = '2026-01-01T00:00:10Z'
const use = (seconds: number, bytes: number) => ({
  cpu: { time, usageCoreNanoSeconds: seconds * 1e9 },
  memory: { time, usageBytes: bytes * 2, workingSetBytes: bytes, rssBytes: bytes / 2 },
})
const figures: NodeFigures = {
  node: { nodeName: 'one', ...use(100, 4096) },
  pods: [
    {
      podRef: { name: 'web', namespace: 'shop' },
      ...use(3, 1024),
      containers: [{ name: 'app', startTime: '2026-01-01T00:00:00Z', ...use(2.5, 512) }],
    },
    { podRef: { name: 'new', namespace: 'shop' } },
  ],
}
const samples = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

test('resource metrics carry the time at which they were measured', () => {
  expect(samples(resourceMetrics(figures))).toEqual([
    'container_cpu_usage_seconds_total{container="app",namespace="shop",pod="web"} 2.5 1767225610000',
    'container_memory_working_set_bytes{container="app",namespace="shop",pod="web"} 512 1767225610000',
    'container_start_time_seconds{container="app",namespace="shop",pod="web"} 1767225600',
    'node_cpu_usage_seconds_total 100 1767225610000',
    'node_memory_working_set_bytes 4096 1767225610000',
    'pod_cpu_usage_seconds_total{namespace="shop",pod="web"} 3 1767225610000',
    'pod_memory_working_set_bytes{namespace="shop",pod="web"} 1024 1767225610000',
    'resource_scrape_error 0',
  ])
})

test('each family says its type once, and what has no sample says nothing', () => {
  const text = resourceMetrics({ ...figures, pods: [] })
  expect(text).not.toContain('container_')
  expect(text.match(/# TYPE node_cpu_usage_seconds_total counter/g)).toHaveLength(1)
})

test('containers by their use of memory, and the kubelet by what it runs', () => {
  expect(samples(cadvisorMetrics(figures))).toContain(
    'container_memory_rss{container="app",namespace="shop",pod="web"} 256 1767225610000',
  )
  expect(samples(kubeletMetrics(figures))).toEqual([
    'kubelet_node_name{node="one"} 1',
    'kubelet_running_pods 2',
    'kubelet_running_containers{container_state="running"} 1',
  ])
})
