import type { KubeObject } from '../api/object.ts'
import type { Decoded } from '../schema/schema.ts'

/** Text and bytes to values and back. Duplicate keys are found while parsing: later nobody can tell. */
export interface Codecs {
  /** Throws StatusError BadRequest. */
  parseJson(text: string): Decoded
  /** One document. Throws StatusError BadRequest. */
  parseYaml(text: string): Decoded
  /** `k8s\0` + runtime.Unknown. Throws StatusError BadRequest. */
  parseProtobuf(bytes: Uint8Array): Decoded
  /** undefined when the kind has no protobuf form. */
  toProtobuf(object: KubeObject): Uint8Array | undefined
  /** A frame of a watch in protobuf; undefined when the kind has no such form. */
  toWatchFrame(type: string, object: KubeObject): Uint8Array | undefined
  /** JSON of an object of the store is made once, however many ask for it. */
  toJson(object: object): string
  toYaml(value: unknown): string
}
