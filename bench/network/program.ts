import { fileURLToPath } from 'node:url'

/** The command line by which Node.js runs a program of this folder. */
export const programLine = (name: string, ...args: string[]): string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL(`${name}.ts`, import.meta.url)),
  ...args,
]

/** What a client of this folder was told: whom to ask, and how much or how long. */
export function clientArguments(): { host: string; port: number; amount: number } {
  const [host = '', port, amount] = process.argv.slice(2)
  return { host, port: Number(port), amount: Number(amount) }
}
