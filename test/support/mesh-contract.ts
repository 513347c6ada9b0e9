import { afterEach, describe, expect, test } from 'vitest'
import { errors, isStatus } from '../../src/api/status-error.ts'
import type { Mesh, MeshStream, PeerId } from '../../src/mesh/mesh.ts'

/** Some meshes that know each other as members, started; `stop` ends them all. */
export interface MeshFixture {
  readonly meshes: readonly Mesh[]
  readonly members: readonly { peer: PeerId; node: string; addresses: readonly string[] }[]
  /** Waits (really, or in virtual time) until `condition` holds; rejects when it does not come true. */
  until(condition: () => boolean): Promise<void>
  stop(): Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** What every Mesh must do, whatever carries it. */
export function meshContract(name: string, create: (count: number) => Promise<MeshFixture>): void {
  describe(`mesh contract: ${name}`, () => {
    let fixture: MeshFixture | undefined
    afterEach(async () => {
      await fixture?.stop()
      fixture = undefined
    })

    async function connectedMeshes(count: number, prepare: (mesh: Mesh, index: number) => void = () => {}) {
      fixture = await create(count)
      const { meshes, until } = fixture
      meshes.forEach(prepare)
      await until(() => meshes.every((mesh) => mesh.connected().length === count - 1))
      return { fixture, meshes: meshes as [Mesh, Mesh, ...Mesh[]], until }
    }

    test('connects every member to every other and counts them alive', async () => {
      const { meshes } = await connectedMeshes(3)
      for (const mesh of meshes) {
        const others = meshes.map((one) => one.self).filter((peer) => peer !== mesh.self)
        expect(mesh.connected().toSorted()).toEqual(others.toSorted())
        expect(meshes.every((one) => mesh.liveness(one.self).alive)).toBe(true)
      }
    })

    test('a broadcast reaches the others with its author, and not the author', async () => {
      const seen: string[][] = [[], [], []]
      const { meshes, until } = await connectedMeshes(3, (mesh, index) =>
        mesh.onBroadcast((from, data) => void seen[index]?.push(`${from} ${text(data)}`)),
      )
      // A broadcast may be lost while the gossip streams open, so it is repeated until it has arrived.
      await until(() => {
        if (seen[1]?.length && seen[2]?.length) return true
        meshes[0].broadcast(bytes('hello'))
        return false
      })
      const expected = `${meshes[0].self} hello`
      expect(seen[1]?.every((one) => one === expected)).toBe(true)
      expect(seen[2]?.every((one) => one === expected)).toBe(true)
      expect(seen[0]).toEqual([])
    })

    test('one-way messages arrive in order on a kept stream, by protocol', async () => {
      const seen: string[] = []
      const { meshes, until } = await connectedMeshes(2, (mesh, index) => {
        if (index !== 1) return
        mesh.onMessage('a', (_from, data) => void seen.push(`a${text(data)}`))
        mesh.onMessage('b', () => {})
      })
      for (let count = 0; count < 100; count++) {
        meshes[0].send(meshes[1].self, 'a', bytes(String(count)))
        meshes[0].send(meshes[1].self, 'b', bytes('other'))
      }
      await until(() => seen.length === 100)
      expect(seen).toEqual(Array.from({ length: 100 }, (_, count) => `a${count}`))
    })

    test('a request is answered, with the asker known, also when it is large', async () => {
      const { meshes } = await connectedMeshes(2, (mesh) =>
        mesh.onRequest('echo', async (from, body) => {
          const answer = new Uint8Array(body.length + 1)
          answer.set(body)
          answer[body.length] = from.length
          return answer
        }),
      )
      const body = new Uint8Array(3 * 1024 * 1024).fill(7)
      const answer = await meshes[0].request(meshes[1].self, 'echo', body, { timeoutMs: 10_000 })
      expect(answer.length).toBe(body.length + 1)
      expect(answer.at(-1)).toBe(meshes[0].self.length)
      const many = Array.from({ length: 50 }, (_, index) =>
        meshes[0].request(meshes[1].self, 'echo', bytes(String(index)), { timeoutMs: 10_000 }),
      )
      expect((await Promise.all(many)).map((one) => text(one.subarray(0, -1)))).toEqual(
        many.map((_, index) => String(index)),
      )
    })

    test("a handler's StatusError reaches the requester; another error becomes InternalError", async () => {
      const { meshes } = await connectedMeshes(2, (mesh) =>
        mesh.onRequest('fail', async (_from, body) => {
          if (text(body) === 'bug') throw new TypeError('boom')
          throw errors.notFound({ group: 'apps', resource: 'deployments' }, 'web')
        }),
      )
      const ask = (what: string) => meshes[0].request(meshes[1].self, 'fail', bytes(what), { timeoutMs: 10_000 })
      await expect(ask('known')).rejects.toMatchObject({
        reason: 'NotFound',
        code: 404,
        message: 'deployments.apps "web" not found',
        details: { name: 'web', group: 'apps', kind: 'deployments' },
      })
      await expect(ask('bug')).rejects.toMatchObject({ reason: 'InternalError', code: 500 })
    })

    test('a request nobody serves, or to nobody, is refused as surely not done', async () => {
      const { meshes } = await connectedMeshes(2)
      await expect(meshes[0].request(meshes[1].self, 'none', bytes(''), { timeoutMs: 10_000 })).rejects.toMatchObject({
        reason: 'ServiceUnavailable',
      })
      const stranger = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
      await expect(meshes[0].request(stranger, 'none', bytes(''), { timeoutMs: 100 })).rejects.toSatisfy((error) =>
        isStatus(error, 'ServiceUnavailable'),
      )
    })

    test('an aborted request rejects at once and aborts its handler', async () => {
      let handlerSignal: AbortSignal | undefined
      const { meshes, until } = await connectedMeshes(2, (mesh) =>
        mesh.onRequest('slow', (_from, _body, signal) => {
          handlerSignal = signal
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
        }),
      )
      const caller = new AbortController()
      const asked = meshes[0].request(meshes[1].self, 'slow', bytes(''), { signal: caller.signal, timeoutMs: 60_000 })
      const outcome = expect(asked).rejects.toThrow('changed my mind')
      await until(() => handlerSignal !== undefined)
      caller.abort(new Error('changed my mind'))
      await outcome
      await until(() => handlerSignal?.aborted === true)
    })

    test('a request past its deadline has an unknown outcome', async () => {
      const { meshes } = await connectedMeshes(2, (mesh) => mesh.onRequest('never', () => new Promise(() => {})))
      // Long enough for the request to be sent on a busy machine: one that was not is surely not done.
      await expect(meshes[0].request(meshes[1].self, 'never', bytes(''), { timeoutMs: 1_000 })).rejects.toMatchObject({
        reason: 'Timeout',
        code: 504,
      })
    })

    test('a stream carries bytes both ways, half-closes, and ends', async () => {
      const { meshes } = await connectedMeshes(2, (mesh) =>
        mesh.onStream('upper', async (_from, stream) => {
          for await (const chunk of stream.source) await stream.write(bytes(text(chunk).toUpperCase()))
          await stream.write(bytes('!'))
          await stream.end()
        }),
      )
      const stream = await meshes[0].openStream(meshes[1].self, 'upper', AbortSignal.timeout(10_000))
      await stream.write(bytes('quiet'))
      await stream.end()
      let answer = ''
      for await (const chunk of stream.source) answer += text(chunk)
      expect(answer).toBe('QUIET!')
    })

    test('a stream whose reader does not read stops its writer, and loses nothing', async () => {
      let served: MeshStream | undefined
      const { meshes, until } = await connectedMeshes(2, (mesh) =>
        mesh.onStream('sink', (_from, stream) => void (served = stream)),
      )
      const stream = await meshes[0].openStream(meshes[1].self, 'sink', AbortSignal.timeout(10_000))
      await until(() => served !== undefined)
      const total = 24 * 1024 * 1024
      const chunk = new Uint8Array(256 * 1024)
      let written = 0
      const writing = (async () => {
        for (; written < total; written += chunk.length) await stream.write(chunk)
        await stream.end()
      })()
      let seen = -1
      await until(() => {
        const still = written === seen
        seen = written
        return still && written > 0
      })
      expect(written).toBeLessThan(total)
      let read = 0
      for await (const part of (served as MeshStream).source) read += part.length
      await writing
      expect(read).toBe(total)
    })

    test('opening a stream nobody serves is refused; closing with an error is seen by the peer', async () => {
      let served: MeshStream | undefined
      const { meshes, until } = await connectedMeshes(2, (mesh) =>
        mesh.onStream('open', (_from, stream) => void (served = stream)),
      )
      await expect(meshes[0].openStream(meshes[1].self, 'none', AbortSignal.timeout(10_000))).rejects.toMatchObject({
        reason: 'ServiceUnavailable',
      })
      const stream = await meshes[0].openStream(meshes[1].self, 'open', AbortSignal.timeout(10_000))
      await until(() => served !== undefined)
      stream.close(new Error('enough'))
      await until(() => served?.closed.aborted === true)
    })

    test('a stopped member goes down and is called dead; peers that stay see each other', async () => {
      const events: string[] = []
      const { meshes, until } = await connectedMeshes(3, (mesh, index) => {
        if (index !== 0) return
        mesh.onPeer((peer, up) => void events.push(`${peer} ${up ? 'up' : 'down'}`))
        mesh.onLiveness((peer, alive) => void events.push(`${peer} ${alive ? 'alive' : 'dead'}`))
      })
      const gone = (meshes[2] as Mesh).self
      await meshes[2]?.stop()
      await until(() => events.includes(`${gone} dead`))
      expect(events).toContain(`${gone} down`)
      expect(meshes[0].liveness(gone).alive).toBe(false)
      expect(meshes[0].liveness(meshes[1].self).alive).toBe(true)
      expect(meshes[0].connected()).toEqual([meshes[1].self])
    })

    test('who is no longer a member is cut off, and let in again once it is one', async () => {
      const { fixture: made, meshes, until } = await connectedMeshes(2)
      meshes[0].setMembers(made.members.filter((member) => member.peer === meshes[0].self))
      await until(() => meshes[1].connected().length === 0)
      expect(meshes[0].connected()).toEqual([])
      meshes[0].setMembers(made.members)
      await until(() => meshes[0].connected().length === 1 && meshes[1].connected().length === 1)
    })
  })
}
