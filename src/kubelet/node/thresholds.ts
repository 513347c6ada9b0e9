/** Below these a node is under pressure (upstream's default hard eviction thresholds; pids: 2 %). */
export const thresholds = { memoryBytes: 100 * 1024 * 1024, disk: 0.1, inodes: 0.05, pids: 0.02 } as const
