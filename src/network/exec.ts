import type { exec } from '../lib/exec.ts'

/** Runs a program: the network's one way to the kernel. Tests run it inside a network namespace of their own. */
export type Exec = typeof exec
