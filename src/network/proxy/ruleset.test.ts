import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createContribution, type Contribution } from './contribution.ts'
import { ipv4 } from '../family.ts'
import { createRuleset } from './ruleset.ts'
import { fixedChains, fixedContainers } from './skeleton.ts'

const fixed = {
  family: ipv4,
  table: 't',
  mark: 1,
  chains: fixedChains({ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/12' }, ipv4),
  containers: fixedContainers(ipv4),
}

function frontend(port: number, targets: string[]): Contribution {
  const out = createContribution()
  targets.forEach((target, index) => out.element('port-eps', ['tcp', port, index], `${target} . 80`))
  out.element('port-services', ['tcp', port], `goto spread-${targets.length}`)
  out.chain(`spread-${targets.length}`, { rules: [{ when: [], does: [{ do: 'drop' }] }] })
  return out.done()
}

/** What a kernel would have after the commands: elements and chains as they were added and deleted. */
function createKernel() {
  const elements = new Map<string, string>()
  const chains = new Map<string, number>()
  return {
    elements,
    chains,
    run(text: string) {
      for (const line of text.split('\n')) {
        const element = /^(add|delete) element ip t (\S+) \{ (.*) \}$/.exec(line)
        for (const entry of element?.[3]?.split(', ') ?? []) {
          const [key = '', value = ''] = entry.split(' : ')
          const id = `${element?.[2]} ${key}`
          if (element?.[1] === 'add') {
            if (elements.has(id)) throw new Error(`${id} exists`)
            elements.set(id, value)
          } else if (elements.get(id) !== value) throw new Error(`${id} does not exist`)
          else elements.delete(id)
        }
        const chain = /^(add|flush|delete) chain ip t (\S+)/.exec(line)
        if (chain?.[1] === 'add') chains.set(chain[2] ?? '', 0)
        if (chain?.[1] === 'flush') chains.set(chain[2] ?? '', 0)
        if (chain?.[1] === 'delete') {
          const used = [...elements.values()].includes(`goto ${chain[2]}`)
          if (used || chains.get(chain[2] ?? '') !== 0) throw new Error(`chain ${chain[2]} is in use`)
          chains.delete(chain[2] ?? '')
        }
        const rule = /^add rule ip t (\S+) /.exec(line)
        if (rule) chains.set(rule[1] ?? '', (chains.get(rule[1] ?? '') ?? NaN) + 1)
        if (line.startsWith('delete table')) {
          elements.clear()
          chains.clear()
        }
      }
    },
  }
}

describe('differences', () => {
  test('an unchanged ruleset needs none, a changed endpoint two lines', () => {
    const ruleset = createRuleset(fixed)
    for (let port = 1; port <= 100; port++) ruleset.set(`s${port}`, frontend(port, ['10.0.0.1', '10.0.0.2']))
    ruleset.takeAll()
    ruleset.set('s7', frontend(7, ['10.0.0.1', '10.0.0.2']))
    expect(ruleset.takeDelta()).toBe('')
    ruleset.set('s7', frontend(7, ['10.0.0.1', '10.0.0.3']))
    expect(ruleset.takeDelta()).toBe(
      'delete element ip t port-eps { tcp . 7 . 1 : 10.0.0.2 . 80 }\n' +
        'add element ip t port-eps { tcp . 7 . 1 : 10.0.0.3 . 80 }\n',
    )
  })

  test('of two owners of a tuple the first by name counts, and the other takes over', () => {
    const ruleset = createRuleset(fixed)
    ruleset.set('b', frontend(1, ['10.0.0.2']))
    ruleset.set('a', frontend(1, ['10.0.0.1']))
    const target = () => ruleset.view.elements.get('port-eps')?.get('tcp . 1 . 0')
    expect(target()).toBe('10.0.0.1 . 80')
    ruleset.set('a', undefined)
    expect(target()).toBe('10.0.0.2 . 80')
    ruleset.set('b', undefined)
    expect(target()).toBeUndefined()
  })

  test('however the rules come about, differences and the whole lead to the same kernel', () => {
    const step = fc.record({
      owner: fc.constantFrom('a', 'b', 'c'),
      port: fc.integer({ min: 1, max: 3 }),
      targets: fc.option(fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'), { minLength: 1 })),
      take: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ruleset = createRuleset(fixed)
        const followed = createKernel()
        followed.run(ruleset.takeAll())
        for (const { owner, port, targets, take } of steps) {
          ruleset.set(owner, targets === null ? undefined : frontend(port, targets))
          if (take) followed.run(ruleset.takeDelta())
        }
        followed.run(ruleset.takeDelta())
        const fresh = createKernel()
        fresh.run(ruleset.takeAll())
        expect(Object.fromEntries(followed.elements)).toEqual(Object.fromEntries(fresh.elements))
        expect(Object.fromEntries(followed.chains)).toEqual(Object.fromEntries(fresh.chains))
      }),
    )
  })
})
