import type { ServiceError } from '@grpc/grpc-js'

/** HealthCheckResponse.ServingStatus (grpc.health.v1). */
const serving = 1

/** HealthCheckRequest: field 1, the service's name. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8')
  return name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) {
      bytes.push(rest)
      return Buffer.from(bytes)
    }
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** HealthCheckResponse: field 1, one byte for every status that exists. */
const decodeStatus = (data: Buffer): number => (data[0] === 0x08 ? (data[1] ?? 0) : 0)

const statusNames = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

/** Asks grpc.health.v1.Health/Check. Undefined when it serves, else why not. */
export async function grpcHealth(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<string | undefined> {
  // Loaded for the first probe of the kind: it takes 18 MB, and most pods have none.
  const { credentials, Client } = await import('@grpc/grpc-js')
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    'grpc.primary_user_agent': 'kube-probe/1.36',
  })
  return new Promise<string | undefined>((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      encodeRequest,
      decodeStatus,
      service,
      { deadline: new Date(performance.timeOrigin + performance.now() + timeoutMs) } as never,
      (error: ServiceError | null, status?: number) => {
        client.close()
        if (error) resolve(`error: health rpc failed: ${error.message}`)
        else if (status === serving) resolve(undefined)
        else resolve(`service unhealthy (responded with "${statusNames[status ?? 0] ?? status}")`)
      },
    )
  })
}
