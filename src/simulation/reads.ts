import type { KubeObject } from '../api/object.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { initialValue, leaseKey, mapKey, type DataMap, type Holder } from './operations.ts'
import type { Records } from './records.ts'

/** What clients read on one life of a node, and what a node promises about it. */
export class NodeReads {
  readonly #node: string
  readonly #store: ObjectStore
  readonly #problem: Records['problem']
  /** Register → its values, in the order in which they were seen. */
  readonly #values = new Map<string, string[]>()
  /** ConfigMap → as it was read last. */
  readonly #maps = new Map<string, KubeObject>()
  /** Values of all fields of ConfigMaps that were seen. */
  readonly #fields = new Set<string>()

  constructor(node: string, store: ObjectStore, problem: Records['problem']) {
    this.#node = node
    this.#store = store
    this.#problem = problem
  }

  isOf(store: ObjectStore): boolean {
    return this.#store === store
  }

  /** On one node a register never has a value again that it had before. */
  readRegister(register: string): void {
    const value = (this.#store.get(leaseKey(register)) as Holder | undefined)?.spec.holderIdentity
    const values = this.#values.get(register) ?? []
    this.#values.set(register, values)
    if (value === undefined || value === values.at(-1)) return
    if (values.includes(value)) this.#problem('a read does not go back', `${this.#node} ${register} is ${value} again`)
    values.push(value)
  }

  /** On one node the versions of an object grow. */
  readMap(name: string): void {
    const map = this.#store.get(mapKey(name)) as DataMap | undefined
    if (!map) return
    const before = this.#maps.get(name)
    this.#maps.set(name, map)
    for (const value of Object.values(map.data ?? {})) this.#fields.add(value)
    if (before && before !== map && versionOf(map) <= versionOf(before)) {
      const versions = `${versionOf(before)}, then ${versionOf(map)}`
      this.#problem('a read does not go back', `${this.#node} ${name} ${versions}`)
    }
  }

  /** Once every outcome is known: all that was shown was written, and nobody was told that it was not. */
  check({ registers, declared }: Records): void {
    for (const value of [...this.#values.values()].flat()) {
      const isWritten = registers.some(({ id, outcome }) => id === value && outcome !== 'refused')
      if (value !== initialValue && !isWritten) this.#unwritten(value)
    }
    for (const value of this.#fields) {
      if (!declared.some((write) => write.value === value && write.outcome !== 'refused')) this.#unwritten(value)
    }
  }

  #unwritten(value: string): void {
    this.#problem('only what was written is read', `${this.#node} showed ${value}`)
  }
}

const versionOf = ({ metadata }: KubeObject): bigint => BigInt(metadata.resourceVersion ?? '0')
