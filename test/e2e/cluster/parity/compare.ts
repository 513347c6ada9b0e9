import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launcher, run } from '../../../support/cluster.ts'

/** One program, in a namespace of its own, so that both may do the same thing. */
interface Side {
  command: string
  namespace: string
}

const sides: readonly [Side, Side] = [
  { command: 'kubectl', namespace: 'parity-a' },
  { command: launcher, namespace: 'parity-b' },
]

export const namespaces: readonly string[] = sides.map(({ namespace }) => namespace)

export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** Writes the files that the lines name, and a kubeconfig for each side's namespace. */
export function prepareSides(dir: string, kubeconfig: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, name), text)
    // What names its namespace is a file for each side.
    for (const { namespace } of sides)
      if (text.includes('NS')) writeFileSync(join(dir, `${namespace}.${name}`), text.replaceAll('NS', namespace))
  }
  const config = readFileSync(kubeconfig, 'utf8')
  for (const { namespace } of sides)
    writeFileSync(join(dir, namespace), config.replace(/^( +)cluster: (\S+)$/m, `$&\n$1namespace: ${namespace}`))
}

/** What kubectl and our command line say to the same words, with what differs by chance made the same. */
export function sayBoth(dir: string, line: string): Promise<Said[]> {
  return Promise.all(
    sides.map(async ({ command, namespace }) => {
      const output = await run('bash', ['-c', `cd ${dir} && ${command} ${line.replaceAll('NS', namespace)}`], {
        env: { KUBECONFIG: join(dir, namespace), KUBE_EDITOR: 'true' },
        input: '',
      })
      return {
        code: output.code,
        stdout: sortedJson(normalize(output.stdout, namespace)),
        stderr: normalize(output.stderr, namespace),
      }
    }),
  )
}

const replacements: readonly (readonly [RegExp, string])[] = [
  // Newer than the oldest kubectl that this is compared with: no preferences, KYAML.
  [/^preferences: \{\}\n/gm, ''],
  [/,kyaml\b/g, ''],
  [/^WARNING: version difference.*\n/gm, ''],
  // kubectl before 1.34 prints a null where newer ones print nothing, and an empty struct where only that null stood.
  [/^ *"?creationTimestamp"?: null,?\n/gm, ''],
  [/^( *)metadata:\n(?=\1[a-z])/gm, '$1metadata: {}\n'],
  // kubectl's own log of a message that came before its streams stood.
  [/^E\d+ .*websocket\.go.*\n/gm, ''],
  // klog before the message of a missing flag.
  [/^E\d+ .*err="(.*)"$/gm, 'error: $1'],
  [/\\"/g, '"'],
  [/\bError: (unknown flag|unknown shorthand|flag needs)/g, 'error: $1'],
  [/\S*\/cli\/stormo|\bkubectl\b(?!\.kubernetes)|\bstormo\b/g, 'PROGRAM'],
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME'],
  [/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w+ \d{4} [\d:]+ [-+]\d{4}/g, 'TIME'],
  [/(resourceVersion"?: )"?\d+"?/g, '$1VERSION'],
  [/\b10\.\d+\.\d+\.\d+\b/g, 'ADDRESS'],
  [/docker:\/\/[0-9a-f]{64}/g, 'CONTAINER'],
  [/kube-api-access-[a-z0-9]{5}/g, 'TOKENS'],
  [/\b(?:\d+[dhms]){1,2}\b/g, 'AGE'],
  [/-[a-f0-9]{7,10}(?:-[a-z0-9]{5})?\b/g, '-HASH'],
  [/\b(?:e2e|cli)-\d\b/g, 'NODE'],
  [/[ \t]+/g, ' '],
  [/ $/gm, ''],
]

const normalize = (text: string, namespace: string): string =>
  replacements.reduce((said, [pattern, by]) => said.replaceAll(pattern, by), text.replaceAll(namespace, 'NAMESPACE'))

/** Typed objects are printed in the order of Go's fields, and others by key: the order of JSON says nothing. */
function sortedJson(text: string): string {
  if (!/^[{[]/.test(text)) return text
  try {
    return JSON.stringify(
      JSON.parse(text.replaceAll(/,(\s*[}\]])/g, '$1').replaceAll(': VERSION', ': "VERSION"')),
      sortKeys,
    )
  } catch {
    return text
  }
}

const sortKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value
