import { UsageError } from '../command.ts'
import { functions, goText, isTrue } from './functions.ts'
import { type Node, type Operand, parseGoTemplate, type Pipe, type Template } from './parse.ts'

/** How deep templates may name each other. */
const maxDepth = 100

type Variables = Map<string, unknown>[]
type Outcome = 'break' | 'continue' | undefined

/** The text of a Go template for `data`, as `kubectl get -o go-template` prints it. Throws UsageError. */
export function renderGoTemplate(text: string, data: unknown): string {
  const isFunction = (name: string): boolean => Object.hasOwn(functions, name) || name === 'and' || name === 'or'
  const template = parseGoTemplate(text, isFunction)
  const renderer = new Renderer(template)
  try {
    renderer.renderAll(data)
    return renderer.text
  } catch (error) {
    if (error instanceof UsageError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new UsageError(`error executing template ${JSON.stringify(text)}: template: output:1: ${why}`)
  }
}

class Renderer {
  text = ''
  readonly #template: Template
  #variables: Variables = []
  #depth = 0

  constructor(template: Template) {
    this.#template = template
  }

  renderAll(data: unknown): void {
    this.#variables = [new Map([['$', data]])]
    this.#list(this.#template.root, data)
  }

  #list(nodes: readonly Node[], dot: unknown): Outcome {
    for (const node of nodes) {
      const outcome = this.#node(node, dot)
      if (outcome) return outcome
    }
    return undefined
  }

  #scoped(nodes: readonly Node[], dot: unknown, variables: readonly (readonly [string, unknown])[] = []): Outcome {
    this.#variables.push(new Map(variables))
    try {
      return this.#list(nodes, dot)
    } finally {
      this.#variables.pop()
    }
  }

  #node(node: Node, dot: unknown): Outcome {
    switch (node.kind) {
      case 'text':
        this.text += node.text
        return undefined
      case 'print': {
        const value = this.#pipe(node.pipe, dot)
        if (node.pipe.variables.length > 0) this.#set(node.pipe, [value])
        else this.text += goText(value)
        return undefined
      }
      case 'break':
      case 'continue':
        return node.kind
      case 'template':
        return this.#named(node.name, node.pipe ? this.#pipe(node.pipe, dot) : undefined)
      case 'range':
        return this.#range(node, dot)
      default: {
        const value = this.#pipe(node.pipe, dot)
        const bound = node.pipe.variables.map((name) => [name, value] as const)
        return isTrue(value)
          ? this.#scoped(node.body, node.kind === 'with' ? value : dot, bound)
          : this.#scoped(node.otherwise, dot, bound)
      }
    }
  }

  #named(name: string, dot: unknown): Outcome {
    const nodes = this.#template.named.get(name)
    if (!nodes) throw new Error(`template "${name}" not defined`)
    if (++this.#depth > maxDepth) throw new Error(`exceeded maximum template depth (${maxDepth})`)
    const outer = this.#variables
    this.#variables = [new Map([['$', dot]])]
    this.#list(nodes, dot)
    this.#variables = outer
    this.#depth--
    return undefined
  }

  #range({ pipe, body, otherwise }: Extract<Node, { pipe: Pipe; body: unknown }>, dot: unknown): Outcome {
    const value = this.#pipe(pipe, dot)
    const entries: (readonly [unknown, unknown])[] = Array.isArray(value)
      ? value.map((one, at) => [at, one] as const)
      : typeof value === 'number'
        ? Array.from({ length: value }, (_, at) => [at, at] as const)
        : Object.entries((value as object | undefined) ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
    if (entries.length === 0) return this.#scoped(otherwise, dot)
    const [first, second] = pipe.variables
    for (const [key, one] of entries) {
      const bound: (readonly [string, unknown])[] =
        second !== undefined
          ? [
              [first!, key],
              [second, one],
            ]
          : first === undefined
            ? []
            : [[first, one]]
      if (this.#scoped(body, one, bound) === 'break') break
    }
    return undefined
  }

  #set({ variables, assigns }: Pipe, values: readonly unknown[]): void {
    variables.forEach((name, at) => {
      const scope = assigns ? this.#variables.findLast((one) => one.has(name)) : this.#variables.at(-1)
      if (!scope) throw new Error(`undefined variable "${name}"`)
      scope.set(name, values[at])
    })
  }

  #pipe({ commands }: Pipe, dot: unknown): unknown {
    let piped: unknown[] = []
    for (const command of commands) piped = [this.#command(command, dot, piped)]
    return piped[0]
  }

  #command([head, ...rest]: readonly Operand[], dot: unknown, piped: readonly unknown[]): unknown {
    if (head?.kind !== 'function') {
      if (rest.length + piped.length > 0) throw new Error(`can't give argument to non-function`)
      return this.#operand(head!, dot)
    }
    if (head.name === 'and' || head.name === 'or') {
      let value: unknown
      const lazy = [...rest.map((one) => () => this.#operand(one, dot)), ...piped.map((one) => () => one)]
      for (const ask of lazy) {
        value = ask()
        if (isTrue(value) === (head.name === 'or')) return value
      }
      return value
    }
    try {
      return functions[head.name]!(...rest.map((one) => this.#operand(one, dot)), ...piped)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`executing "output" at <${head.name}>: ${why}`, { cause: error })
    }
  }

  #operand(operand: Operand, dot: unknown): unknown {
    let value: unknown
    if (operand.kind === 'literal') value = operand.value
    else if (operand.kind === 'dot') value = dot
    else if (operand.kind === 'pipe') value = this.#pipe(operand.pipe, dot)
    else if (operand.kind === 'function') value = this.#command([operand], dot, [])
    else if (operand.kind === 'variable') {
      const scope = this.#variables.findLast((one) => one.has(operand.name))
      if (!scope) throw new Error(`undefined variable "${operand.name}"`)
      value = scope.get(operand.name)
    }
    for (const field of operand.fields) {
      if (value === undefined || value === null) return undefined
      if (typeof value !== 'object' || Array.isArray(value))
        throw new Error(
          `executing "output" at <.${operand.fields.join('.')}>: can't evaluate field ${field} in type ${Array.isArray(value) ? '[]interface {}' : typeof value}`,
        )
      value = Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined
    }
    return value
  }
}
