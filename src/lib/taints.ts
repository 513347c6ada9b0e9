/** The parts of core/v1 Taint and Toleration that matching looks at. */
export interface TaintLike {
  key: string
  value?: string
  effect: string
}

export interface TolerationLike {
  key?: string
  operator?: string
  value?: string
  effect?: string
}

/** core/v1 Toleration.ToleratesTaint: an empty effect or key matches all; `Exists` matches any value. */
export function tolerates(toleration: TolerationLike, taint: TaintLike): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  if ((toleration.operator || 'Equal') === 'Exists') return true
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '')
}
