import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { initialSwim, stepSwim, type SwimConfig, type SwimInput, type SwimState } from './swim.ts'

const config: SwimConfig = { intervalMs: 100, probesPerRound: 2, suspicionMs: 200, rumourMs: 1_000 }
const peers = ['a', 'b', 'c', 'd', 'e']

function run(state: SwimState, ...inputs: SwimInput[]) {
  const effects: string[] = []
  for (const input of inputs) {
    const step = stepSwim(config, state, input)
    state = step.state
    for (const effect of step.effects) {
      effects.push(
        effect.type === 'probe' ? `probe ${effect.peer}` : `${effect.peer} ${effect.alive ? 'alive' : 'dead'}`,
      )
    }
  }
  return { state, effects }
}

const members = (nowMs = 0): SwimInput => ({ type: 'members', peers, nowMs })
const tick = (nowMs: number): SwimInput => ({ type: 'tick', nowMs, order: peers })
const silent = (peer: string, beganMs: number, nowMs: number): SwimInput => ({ type: 'silent', peer, beganMs, nowMs })
const heard = (peer: string, nowMs: number): SwimInput => ({ type: 'heard', peer, nowMs })

describe('rounds', () => {
  test('probe everybody in turn, a bounded number a round', () => {
    const { effects } = run(
      initialSwim(0),
      members(),
      tick(100),
      heard('a', 101),
      heard('b', 101),
      tick(200),
      tick(300),
    )
    expect(effects).toEqual(['probe a', 'probe b', 'probe c', 'probe d', 'probe e', 'probe a'])
  })

  test('do not probe a peer that is being probed', () => {
    const { effects } = run(initialSwim(0), { type: 'members', peers: ['a'], nowMs: 0 }, tick(100), tick(200))
    expect(effects).toEqual(['probe a'])
  })
})

describe('verdicts', () => {
  const suspected = () => run(initialSwim(0), members(), tick(100), silent('a', 100, 150)).state

  test('a silent peer is suspected, passed on, and dead only after the suspicion time', () => {
    const state = suspected()
    expect([...state.rumours.keys()]).toEqual(['a'])
    expect(run(state, tick(200), tick(300)).effects).not.toContain('a dead')
    expect(run(state, tick(200), tick(300), tick(400)).effects).toContain('a dead')
  })

  test('word of a suspect clears it and its rumour', () => {
    const { state, effects } = run(suspected(), tick(200), heard('a', 250), tick(300), tick(400), tick(500))
    expect(effects).not.toContain('a dead')
    expect(state.rumours.size).toBe(0)
  })

  test('word of the dead brings them back', () => {
    expect(run(suspected(), tick(200), tick(300), tick(400), heard('a', 450)).effects).toContain('a alive')
  })

  test('silence that began before the last word is no evidence', () => {
    const { state } = run(initialSwim(0), members(), tick(100), heard('a', 120), silent('a', 100, 150))
    expect(state.members.get('a')?.status).toBe('alive')
  })

  test('a node that was held up does not judge by that time', () => {
    const { state } = run(initialSwim(0), members(), tick(100), tick(900), silent('a', 100, 901))
    expect(state.members.get('a')?.status).toBe('alive')
    const late = run(suspected(), tick(1_000))
    expect(late.effects).not.toContain('a dead')
  })

  test('a rumour alone kills nobody: it makes this node look', () => {
    const { state, effects } = run(initialSwim(0), members(), { type: 'rumours', suspects: ['d', 'x'], nowMs: 10 })
    expect(effects).toEqual(['probe d'])
    expect(state.members.get('d')?.status).toBe('alive')
  })

  test('whatever happens, nobody is called dead without a probe of our own that failed', () => {
    const input = fc.oneof(
      fc.record({ kind: fc.constant('tick' as const), after: fc.integer({ min: 1, max: 150 }) }),
      fc.record({ kind: fc.constantFrom('heard' as const, 'rumour' as const), peer: fc.constantFrom(...peers) }),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 60 }), (script) => {
        let { state } = run(initialSwim(0), members())
        let nowMs = 0
        for (const step of script) {
          if (step.kind === 'tick') nowMs += step.after
          const result = run(
            state,
            step.kind === 'tick'
              ? tick(nowMs)
              : step.kind === 'heard'
                ? heard(step.peer, nowMs)
                : { type: 'rumours', suspects: [step.peer], nowMs },
          )
          state = result.state
          expect(result.effects.filter((effect) => effect.endsWith(' dead'))).toEqual([])
        }
      }),
    )
  })
})
