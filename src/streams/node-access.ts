import type { PodLogOptions } from '../api/pod-options.ts'
import type { Channels } from './channels.ts'

/** What a node's kubelet serves to any other node's API server. `uid` guards against a pod of the same name. */
export type NodeRequest =
  | { kind: 'log'; namespace: string; pod: string; uid: string; options: PodLogOptions }
  | {
      kind: 'exec' | 'attach'
      namespace: string
      pod: string
      uid: string
      container: string
      command: string[]
      stdin: boolean
      stdout: boolean
      stderr: boolean
      tty: boolean
    }
  | { kind: 'portForward'; namespace: string; pod: string; uid: string; port: number }
  /** One TCP connection from the node to host:port (pod IP or service), for the proxy subresources. 0 data both ways. */
  | { kind: 'dial'; host: string; port: number }
  /** What an image of the node is made of, as JSON on channel 1. */
  | { kind: 'image'; reference: string }
  /** A blob of an image that was asked for, on channel 1 from that byte on: a cut transfer goes on where it was. */
  | { kind: 'imageBlob'; image: string; digest: string; offset: number }
  /** /stats/summary, as JSON on channel 1. */
  | { kind: 'stats' }
  /** A file below /var/log, or the list of a directory, on channel 1. */
  | { kind: 'systemLog'; path: string }

/** Serves requests on the node itself (the kubelet). Resolves when the exchange is over; errors go to the caller. */
export interface NodeServer {
  serve(request: NodeRequest, channels: Channels, signal: AbortSignal): Promise<void>
}

/** Reaches the NodeServer of any node. Throws StatusError (NotFound, ServiceUnavailable) before a channel is open. */
export interface NodeAccess {
  open(nodeName: string, request: NodeRequest, signal: AbortSignal): Promise<Channels>
}
