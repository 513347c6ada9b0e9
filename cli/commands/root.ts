import type { CommandDefinition } from '../command.ts'
import { applyCommand } from './apply.ts'
import { clusterCommand } from './cluster.ts'
import { deleteCommand } from './delete.ts'
import { getCommand } from './get.ts'
import {
  agentCommand,
  initCommand,
  joinCommand,
  kubeconfigCommand,
  leaveCommand,
  statusCommand,
  tokenCommand,
} from './membership.ts'

/** The whole command line. */
export const rootCommand: CommandDefinition = {
  name: 'stormo',
  summary: 'Masterless Kubernetes: the same agent on every machine, no control-plane nodes.',
  commands: [
    applyCommand,
    deleteCommand,
    getCommand,
    initCommand,
    joinCommand,
    agentCommand,
    leaveCommand,
    tokenCommand,
    statusCommand,
    kubeconfigCommand,
    clusterCommand,
  ],
}
