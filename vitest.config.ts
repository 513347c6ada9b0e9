import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

/** Whole clusters under virtual time, hostile input, the packaged build: minutes, so they are no part of `npm run check`. */
const long = ['test/simulation/**/*.test.ts', 'src/apiserver/fuzz.test.ts', 'test/tidy/build.test.ts']

/**
 * Tests of real daemons and machines, one file after the other. `machines` start clusters of them, `node` needs no more
 * than a daemon or an API server: those two may run at once. `chaos` measures time: it wants the machine for itself.
 */
function onMachines(name: string, include: string[]): TestProjectConfiguration {
  return {
    test: {
      name,
      include,
      fileParallelism: false,
      // Within a file, of those that say that they may.
      maxConcurrency: 8,
      // What they wait for depends on how busy the machine is; a second failure is one.
      retry: 1,
      testTimeout: 120_000,
      hookTimeout: 180_000,
    },
  }
}

export default defineConfig({
  test: {
    // One less by default: on two cores, half of them.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'cli/**/*.test.ts', 'test/tidy/**/*.test.ts'],
          exclude: long,
          // Files share a worker's modules: no test changes them, and loading them 95 times took longer than the tests.
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'long',
          include: long,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      onMachines('machines', ['test/e2e/{cluster,mesh,network,workloads}/**/*.e2e.ts']),
      onMachines('node', ['test/e2e/kubelet/**/*.e2e.ts', 'test/conformance/**/*.e2e.ts']),
      onMachines('chaos', ['test/chaos/**/*.e2e.ts']),
    ],
  },
})
