import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from '../../api/kinds.ts'
import { type Controller, keyOf, nothing, splitKey } from '../controller.ts'
import { timestamp } from './timestamp.ts'
import { mutateAction, selfWatch } from './workload.ts'

const group = 'flowcontrol.apiserver.k8s.io'
const schemas = { group, resource: 'flowschemas' }
const levels = { group, resource: 'prioritylevelconfigurations' }

const levelOf = (schema: FlowSchema): string => schema.spec?.priorityLevelConfiguration.name ?? ''

/** Says of each FlowSchema whether its priority level is there (the Dangling condition). Others' conditions stay. */
export const flowSchemaController: Controller = {
  name: 'flow-schema',
  watches: [
    selfWatch(schemas),
    {
      ref: levels,
      keysOf: ({ object, previous, name }, view) =>
        object && previous
          ? []
          : view
              .list<FlowSchema>(schemas)
              .filter((schema) => levelOf(schema) === name)
              .map(keyOf),
    },
  ],
  keys: (view) => view.list<FlowSchema>(schemas).map(keyOf),
  plan(key, view, nowMs) {
    const schema = view.get<FlowSchema>(schemas, '', splitKey(key).name)
    if (!schema || schema.metadata.deletionTimestamp) return nothing
    const name = levelOf(schema)
    const isThere = view.get<PriorityLevelConfiguration>(levels, '', name) !== undefined
    const known = schema.status?.conditions?.find(({ type }) => type === 'Dangling')
    const status = isThere ? 'False' : 'True'
    const message = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)} ${isThere ? 'and it exists' : 'but there is no such object'}`
    if (known?.status === status && known.message === message) return nothing
    const condition: FlowSchemaCondition = {
      type: 'Dangling',
      status,
      reason: isThere ? 'Found' : 'NotFound',
      message,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : timestamp(nowMs),
    }
    const change = (current: FlowSchema) => ({
      ...current,
      status: {
        ...current.status,
        conditions: [...(current.status?.conditions ?? []).filter(({ type }) => type !== 'Dangling'), condition],
      },
    })
    return { actions: [mutateAction(schemas, schema, change, 'status')] }
  },
}
