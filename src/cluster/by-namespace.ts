/**
 * A map by namespace and name, of which what lies in one namespace is found without a look at the others. Layer: cluster; pure.
 */

/** Keys are those of `keyOf` in source.ts. */
export class ByNamespace<T> {
  /** None is empty. */
  private readonly parts = new Map<string, Map<string, T>>()

  get(key: string): T | undefined {
    return this.parts.get(namespaceOf(key))?.get(key)
  }

  set(key: string, value: T): void {
    const namespace = namespaceOf(key)
    const part = this.parts.get(namespace)
    if (part === undefined) this.parts.set(namespace, new Map([[key, value]]))
    else part.set(key, value)
  }

  delete(key: string): void {
    const namespace = namespaceOf(key)
    const part = this.parts.get(namespace)
    if (part?.delete(key) && part.size === 0) this.parts.delete(namespace)
  }

  keysIn(namespace: string): Iterable<string> {
    return this.parts.get(namespace)?.keys() ?? []
  }

  *values(): Generator<T> {
    for (const part of this.parts.values()) yield* part.values()
  }
}

export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}
