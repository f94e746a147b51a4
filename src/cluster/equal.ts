/**
 * Whether two objects of the domain say the same. Layer: cluster; pure. A relist brings every object again, nearly all of
 * them as they were: what is equal is not a change.
 */

/** @param a plain data: primitives, arrays, objects of them */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!isEqual(a[i], b[i])) return false
    return true
  }
  for (const key in a) if (!isEqual(a[key as keyof typeof a], b[key as keyof typeof b])) return false
  for (const key in b) if (!(key in a)) return false
  return true
}

/** Whether the state of that version is older than the other. A version that is not known (0) tells nothing. */
export function isBefore(version = 0, other = 0): boolean {
  return version !== 0 && other !== 0 && version < other
}
