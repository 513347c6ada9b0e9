import type { OptionDefinition } from './command.ts'

/** Options of every command that talks to an API server: kubectl's, and how the output is coloured. */
export const connectionOptions: readonly OptionDefinition[] = [
  {
    flags: '--kubeconfig <file>',
    summary:
      'kubeconfig to use (default: $KUBECONFIG, /etc/stormo/kubeconfig, ~/.kube/config, or the only local cluster)',
  },
  { flags: '--color <when>', summary: 'auto, always or never (default auto: on a terminal, without NO_COLOR)' },
  { flags: '--context <name>', summary: 'context of the kubeconfig' },
  { flags: '--cluster <name>', summary: "cluster of the kubeconfig instead of the context's", hidden: true },
  { flags: '--user <name>', summary: "user of the kubeconfig instead of the context's", hidden: true },
  { flags: '-s, --server <url>', summary: 'API server to talk to instead of the one in the kubeconfig' },
  { flags: '--token <token>', summary: 'bearer token to show to the server', hidden: true },
  { flags: '--as <user>', summary: 'act as this user', hidden: true },
  { flags: '--as-group <group>', summary: 'act as a member of this group', repeatable: true, hidden: true },
  { flags: '--as-uid <uid>', summary: 'act as the user with this UID', hidden: true },
  { flags: '--certificate-authority <file>', summary: 'certificate of the authority to trust', hidden: true },
  { flags: '--client-certificate <file>', summary: 'certificate to show to the server', hidden: true },
  { flags: '--client-key <file>', summary: 'key of the certificate', hidden: true },
  { flags: '--tls-server-name <name>', summary: "name that the server's certificate must have", hidden: true },
  { flags: '--insecure-skip-tls-verify', summary: "do not check the server's certificate", hidden: true },
  { flags: '--request-timeout <duration>', summary: 'give up on one request after this; 0 is never', hidden: true },
  {
    flags: '-v, --v <level>',
    summary: 'from 6 on each request is told on standard error',
    integer: true,
    hidden: true,
  },
  { flags: '--warnings-as-errors', summary: "a server's warning is a failure", hidden: true },
  { flags: '--cache-dir <directory>', summary: 'accepted; nothing is cached', hidden: true },
]

export const namespaceOption: OptionDefinition = {
  flags: '-n, --namespace <namespace>',
  summary: 'namespace (default: that of the context)',
}

/** Those may also stand before the command: `stormo -n web get pods`. */
export const globalOptions: readonly OptionDefinition[] = [...connectionOptions, namespaceOption]

/** For a command that means something else by a flag: `create rolebinding --user`. */
export const withoutFlag = (options: readonly OptionDefinition[], flag: string): OptionDefinition[] =>
  options.filter(({ flags }) => !flags.split(' ').includes(flag))
