import type { Action } from '../controller.ts'

/** One after the other; those of one plan are otherwise carried out at the same time. */
export const inOrder = (actions: readonly Action[]): Action => ({
  do: 'compute',
  compute: async () => [...actions],
})

/** Makes the key come back after a back-off. */
export const fail = (message: string): Action => ({
  do: 'compute',
  compute: () => Promise.reject(new Error(message)),
})
