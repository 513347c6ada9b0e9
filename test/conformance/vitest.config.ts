import { defineConfig } from 'vitest/config'

/**
 * `npx vitest run --config test/conformance/vitest.config.ts`; STORMO_KUBECONFIG names another cluster, each of its nodes
 * after a colon; its machines need images `nginx:1` to `nginx:3` that run without arguments (any, a pause image will do).
 */
export default defineConfig({
  test: {
    include: ['test/conformance/**/*.e2e.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // Each is a kubectl, which keeps a core busy.
    maxConcurrency: 3,
  },
})
