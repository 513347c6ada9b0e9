import type { OptionDefinition } from './command.ts'

/** Options of every command that talks to an API server. */
export const connectionOptions: readonly OptionDefinition[] = [
  {
    flags: '--kubeconfig <file>',
    summary:
      'kubeconfig to use (default: $KUBECONFIG, /etc/stormo/kubeconfig, ~/.kube/config, or the only local cluster)',
  },
  { flags: '--color <when>', summary: 'auto, always or never (default auto: on a terminal, without NO_COLOR)' },
  { flags: '--context <name>', summary: 'context of the kubeconfig' },
  { flags: '-s, --server <url>', summary: 'API server to talk to instead of the one in the kubeconfig' },
]

export const namespaceOption: OptionDefinition = {
  flags: '-n, --namespace <namespace>',
  summary: 'namespace (default: that of the context)',
}

/** Those may also stand before the command: `stormo -n web get pods`. */
export const globalOptions: readonly OptionDefinition[] = [...connectionOptions, namespaceOption]
