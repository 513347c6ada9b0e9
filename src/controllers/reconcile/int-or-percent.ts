/** `25%` or `3` of `of`; percentages round up or down as asked (apimachinery's intstr.GetScaledValueFromIntOrPercent). */
export function scaledValue(value: number | string | undefined, of: number, roundUp: boolean): number {
  if (value === undefined) return 0
  if (typeof value === 'number') return value
  if (!value.endsWith('%')) return Number(value) || 0
  const share = (of * Number(value.slice(0, -1))) / 100
  return roundUp ? Math.ceil(share) : Math.floor(share)
}
