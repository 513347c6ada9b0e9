import { defineConfig } from 'vitest/config'

/** Whole clusters under virtual time, hostile input, the packaged build: minutes, so they are no part of `npm run check`. */
const long = ['test/simulation/**/*.test.ts', 'src/apiserver/fuzz.test.ts', 'test/tidy/build.test.ts']

export default defineConfig({
  test: {
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
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.ts'],
          // They start machines: one after the other, so that each has the cores to itself.
          fileParallelism: false,
          // Within a file, of those that say that they may.
          maxConcurrency: 8,
          // What they wait for depends on how busy the machine is; a second failure is one.
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
