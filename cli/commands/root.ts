import type { CommandDefinition, OptionDefinition } from '../command.ts'
import { globalOptions } from '../connection-options.ts'

/** A command that is loaded when it is asked for, so that each start pays only for what it runs. */
export interface CommandEntry {
  name: string
  aliases?: readonly string[]
  load(): Promise<CommandDefinition>
}

/** The command line's table of contents, in the order of the help. */
export const commandGroups: Readonly<Record<string, readonly CommandEntry[]>> = {
  'Objects:': [
    { name: 'get', load: async () => (await import('./get.ts')).getCommand },
    { name: 'describe', load: async () => (await import('./describe.ts')).describeCommand },
    { name: 'apply', load: async () => (await import('./apply.ts')).applyCommand },
    { name: 'create', load: async () => (await import('./create.ts')).createCommand },
    { name: 'delete', load: async () => (await import('./delete.ts')).deleteCommand },
    { name: 'replace', load: async () => (await import('./replace.ts')).replaceCommand },
    { name: 'patch', load: async () => (await import('./patch.ts')).patchCommand },
    { name: 'edit', load: async () => (await import('./edit.ts')).editCommand },
    { name: 'diff', load: async () => (await import('./diff.ts')).diffCommand },
    { name: 'kustomize', load: async () => (await import('./kustomize.ts')).kustomizeCommand },
    { name: 'wait', load: async () => (await import('./wait.ts')).waitCommand },
    { name: 'label', load: async () => (await import('./metadata.ts')).labelCommand },
    { name: 'annotate', load: async () => (await import('./metadata.ts')).annotateCommand },
    { name: 'events', load: async () => (await import('./events.ts')).eventsCommand },
    { name: 'namespace', aliases: ['ns'], load: async () => (await import('./namespace.ts')).namespaceCommand },
  ],
  'Workloads:': [
    { name: 'run', load: async () => (await import('./run.ts')).runCommand },
    { name: 'expose', load: async () => (await import('./expose.ts')).exposeCommand },
    { name: 'scale', load: async () => (await import('./scale.ts')).scaleCommand },
    { name: 'autoscale', load: async () => (await import('./autoscale.ts')).autoscaleCommand },
    { name: 'set', load: async () => (await import('./set.ts')).setCommand },
    { name: 'rollout', load: async () => (await import('./rollout.ts')).rolloutCommand },
    { name: 'logs', aliases: ['log'], load: async () => (await import('./logs.ts')).logsCommand },
    { name: 'exec', load: async () => (await import('./exec.ts')).execCommand },
    { name: 'attach', load: async () => (await import('./attach.ts')).attachCommand },
    { name: 'port-forward', load: async () => (await import('./port-forward.ts')).portForwardCommand },
    { name: 'debug', load: async () => (await import('./debug.ts')).debugCommand },
    { name: 'cp', load: async () => (await import('./cp.ts')).cpCommand },
    { name: 'service', aliases: ['svc'], load: async () => (await import('./service.ts')).serviceCommand },
    { name: 'tunnel', load: async () => (await import('./tunnel.ts')).tunnelCommand },
    { name: 'image', load: async () => (await import('./image.ts')).imageCommand },
    { name: 'schedule', load: async () => (await import('./schedule.ts')).scheduleCommand },
  ],
  'The API:': [
    { name: 'explain', load: async () => (await import('./api.ts')).explainCommand },
    { name: 'api-resources', load: async () => (await import('./api.ts')).apiResourcesCommand },
    { name: 'api-versions', load: async () => (await import('./api.ts')).apiVersionsCommand },
    { name: 'cluster-info', load: async () => (await import('./cluster-info.ts')).clusterInfoCommand },
    { name: 'auth', load: async () => (await import('./auth.ts')).authCommand },
    { name: 'certificate', load: async () => (await import('./certificate.ts')).certificateCommand },
    { name: 'config', load: async () => (await import('./config.ts')).configCommand },
    { name: 'proxy', load: async () => (await import('./proxy.ts')).proxyCommand },
    { name: 'completion', load: async () => (await import('./completion.ts')).completionCommand },
    { name: '__complete', load: async () => (await import('./completion.ts')).completeCommand },
    { name: 'kubectl', load: async () => (await import('./kubectl.ts')).kubectlCommand },
    { name: 'plugin', load: async () => (await import('./plugin.ts')).pluginCommand },
    { name: 'options', load: async () => (await import('./options.ts')).optionsCommand },
    { name: 'version', load: async () => (await import('./api.ts')).versionCommand },
  ],
  'Nodes and membership:': [
    { name: 'status', load: async () => (await import('./membership.ts')).statusCommand },
    { name: 'top', load: async () => (await import('./top.ts')).topCommand },
    { name: 'cordon', load: async () => (await import('./node.ts')).cordonCommand },
    { name: 'uncordon', load: async () => (await import('./node.ts')).uncordonCommand },
    { name: 'taint', load: async () => (await import('./taint.ts')).taintCommand },
    { name: 'drain', load: async () => (await import('./node.ts')).drainCommand },
    { name: 'rebalance', load: async () => (await import('./rebalance.ts')).rebalanceCommand },
    { name: 'init', load: async () => (await import('./membership.ts')).initCommand },
    { name: 'join', load: async () => (await import('./membership.ts')).joinCommand },
    { name: 'agent', load: async () => (await import('./membership.ts')).agentCommand },
    { name: 'leave', load: async () => (await import('./membership.ts')).leaveCommand },
    { name: 'token', load: async () => (await import('./membership.ts')).tokenCommand },
    { name: 'backup', load: async () => (await import('./backup.ts')).backupCommand },
    { name: 'restore', load: async () => (await import('./backup.ts')).restoreCommand },
    { name: 'recover', load: async () => (await import('./backup.ts')).recoverCommand },
    { name: 'doctor', load: async () => (await import('./doctor.ts')).doctorCommand },
    { name: 'reset', load: async () => (await import('./reset.ts')).resetCommand },
    { name: 'kubeconfig', load: async () => (await import('./membership.ts')).kubeconfigCommand },
    { name: 'ip', load: async () => (await import('./service.ts')).ipCommand },
    { name: 'simulate', load: async () => (await import('./simulate.ts')).simulateCommand },
    { name: 'cluster', load: async () => (await import('./cluster.ts')).clusterCommand },
  ],
}

/** Every word that is a command of ours; others may be plugins. */
export const commandNames: ReadonlySet<string> = new Set([
  'help',
  ...Object.values(commandGroups)
    .flat()
    .flatMap(({ name, aliases = [] }) => [name, ...aliases]),
])

/** The root with the one command that `choose` names, or with all when it names none (help, a misspelt word). */
export async function loadRoot(
  choose: (options: readonly OptionDefinition[]) => string | undefined,
): Promise<CommandDefinition> {
  const entries = Object.entries(commandGroups).flatMap(([group, list]) => list.map((entry) => ({ group, entry })))
  const wanted = choose(globalOptions)
  const chosen = entries.filter(({ entry }) => entry.name === wanted || entry.aliases?.includes(wanted ?? ''))
  const commands = await Promise.all(
    (chosen.length > 0 ? chosen : entries).map(async ({ group, entry }) => ({
      ...(await entry.load()),
      ...(entry.aliases ? { aliases: entry.aliases } : {}),
      group,
    })),
  )
  return {
    name: 'stormo',
    summary: 'Masterless Kubernetes: the same agent on every machine, no control-plane nodes.',
    options: globalOptions,
    commands,
  }
}
