import type { Pod } from '../../src/api/kinds.ts'
import { defaultProfile } from '../../src/scheduler/default-profile.ts'
import { explain } from '../../src/scheduler/framework/explain.ts'
import { podInfoOf } from '../../src/scheduler/framework/pod-info.ts'
import { type CommandDefinition, option } from '../command.ts'
import { withClient } from '../connection.ts'
import { printExplanation } from '../printers/schedule.ts'
import { readSnapshot } from '../scheduler-snapshot.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

const explainCommand: CommandDefinition = {
  name: 'explain',
  arguments: '<pod>',
  summary: 'Show what every filter and score of the scheduler says of every node',
  examples: ['  stormo schedule explain web-7d4b9-x2x5p', '  stormo schedule explain web-7d4b9-x2x5p -o json'].join(
    '\n',
  ),
  options: [...namespaceOptions, { flags: '-o, --output <format>', summary: 'json, or a table when absent' }],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const { io } = invocation
      const name = (invocation.args[0] ?? '').replace(/^pods?\//, '')
      const path = `/api/v1/namespaces/${encodeURIComponent(namespaceOf(invocation, client))}/pods/${encodeURIComponent(name)}`
      const pod = await client.json<Pod>({ path, signal: io.signal })
      const cluster = await readSnapshot(client, io.signal, (resource) =>
        io.err(`Warning: ${resource} cannot be listed, and count as absent\n`),
      )
      const { nodeName, ...spec } = pod.spec!
      // A pod that has a node is looked at as though it came now.
      cluster.remove(pod.metadata.uid ?? '')
      const explanation = explain(podInfoOf({ ...pod, spec }), cluster, defaultProfile)
      if (option.text(invocation, 'output') === 'json') {
        io.out(`${JSON.stringify(explanation, undefined, 2)}\n`)
        return
      }
      for (const line of remarks(pod, nodeName)) io.out(`${line}\n`)
      io.out(printExplanation(explanation))
    }),
}

/** What must be known besides the table. */
function remarks({ metadata, spec }: Pod, nodeName: string | undefined): string[] {
  const name = `${metadata.namespace}/${metadata.name}`
  const scheduler = spec?.schedulerName ?? defaultProfile.name
  return [
    nodeName ? `Pod ${name} is on ${nodeName}; this is what would be if it came now.` : `Pod ${name} has no node.`,
    ...(scheduler === defaultProfile.name
      ? []
      : [`It asks for scheduler "${scheduler}"; this is what ${defaultProfile.name} would do.`]),
    ...(spec?.schedulingGates?.length
      ? [`It is held by its scheduling gates: ${spec.schedulingGates.map((gate) => gate.name).join(', ')}`]
      : []),
    '',
  ]
}

export const scheduleCommand: CommandDefinition = {
  name: 'schedule',
  summary: 'Ask the scheduler for its reasons',
  commands: [explainCommand],
}
