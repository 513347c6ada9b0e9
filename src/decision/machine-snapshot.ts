import { parseExact } from '../lib/exact-json.ts'
import type { FieldPath, FieldValue, Stamp } from '../store/decided.ts'
import { ClusterMachine } from './cluster-machine.ts'
import type { ClusterRanges, CommandResult } from './cluster-state.ts'
import type { MembershipRecord } from './membership-table.ts'
import type { Holder } from './reserve-table.ts'

const formatVersion = 1
const maxChunkBytes = 1024 * 1024
const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Header {
  format: number
  ranges: ClusterRanges
  membership: MembershipRecord
  clusterIps: { cursor: number; held: [Holder, number[]][] }
  nodePorts: { cursor: number; held: [Holder, number[]][] }
}

type Line =
  | [kind: 'r', id: string, result: CommandResult]
  | [
      kind: 'o',
      key: [string, string, string, string],
      uid: string,
      index: number,
      flags: number,
      fields: [FieldPath, Stamp, FieldValue][],
    ]

/**
 * The state as lines of JSON, a header first, in chunks of about 1 MiB (more only if one object is larger). What the
 * generator yields is the state at the first `next()`, whatever is applied while the rest is being asked for: objects
 * and results are never changed in place. So the caller may pause between chunks.
 */
export function* encodeMachine(machine: ClusterMachine): Generator<Uint8Array> {
  const header: Header = {
    format: formatVersion,
    ranges: machine.ranges,
    membership: machine.membership.encode(),
    clusterIps: machine.clusterIps.encode(),
    nodePorts: machine.nodePorts.encode(),
  }
  const objects = [...machine.objects.values()]
  const results = [...machine.results]
  let lines = [JSON.stringify(header)]
  let size = lines[0]?.length ?? 0
  function* add(line: Line): Generator<Uint8Array> {
    const text = JSON.stringify(line)
    lines.push(text)
    size += text.length
    if (size < maxChunkBytes) return
    yield encoder.encode(`${lines.join('\n')}\n`)
    lines = []
    size = 0
  }
  for (const [id, result] of results) yield* add(['r', id, result])
  for (const { key, uid, index, created, deleted, fields } of objects) {
    const values = [...fields].map(([path, { stamp, value }]): [FieldPath, Stamp, FieldValue] => [path, stamp, value])
    const flags = (created ? 1 : 0) + (deleted ? 2 : 0)
    yield* add(['o', [key.group, key.resource, key.namespace, key.name], uid, index, flags, values])
  }
  if (lines.length > 0) yield encoder.encode(`${lines.join('\n')}\n`)
}

/** Reverse of {@link encodeMachine}. Throws on a format that this version does not know. */
export function decodeMachine(chunks: Iterable<Uint8Array>): ClusterMachine {
  let machine: ClusterMachine | undefined
  for (const chunk of chunks) {
    for (const text of decoder.decode(chunk).split('\n')) {
      if (text === '') continue
      if (machine) takeLine(machine, parseExact(text) as Line)
      else machine = takeHeader(parseExact(text) as Header)
    }
  }
  if (!machine) throw new Error('snapshot of the cluster state is empty')
  return machine
}

function takeHeader(header: Header): ClusterMachine {
  if (header.format !== formatVersion) {
    throw new Error(`snapshot of the cluster state has format ${header.format}, this version reads ${formatVersion}`)
  }
  const machine = new ClusterMachine(header.ranges)
  machine.membership.restore(header.membership)
  machine.clusterIps.restore(header.clusterIps)
  machine.nodePorts.restore(header.nodePorts)
  return machine
}

function takeLine(machine: ClusterMachine, line: Line): void {
  if (line[0] === 'r') {
    machine.results.set(line[1], line[2])
    return
  }
  const [, [group, resource, namespace, name], uid, index, flags, fields] = line
  machine.objects.put({
    key: { group, resource, namespace, name },
    uid,
    index,
    created: (flags & 1) !== 0,
    deleted: (flags & 2) !== 0,
    fields: new Map(fields.map(([path, stamp, value]) => [path, { stamp, value }])),
  })
}
