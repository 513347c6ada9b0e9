/** A node of an OpenAPI schema as it is written. */
export type Node = Readonly<Record<string, unknown>>

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The named nodes of `properties`. */
export const nodesOf = (properties: unknown): [string, Node][] =>
  isNode(properties) ? Object.entries(properties).filter((entry): entry is [string, Node] => isNode(entry[1])) : []

export const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
