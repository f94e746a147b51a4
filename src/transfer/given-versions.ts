/**
 * Which versions of which zones a client was given lately. Layer: transfer. Bounded: the client of longest ago is forgotten.
 */

/** Addresses with a zone. */
const MAX_CLIENTS = 256
/** Several secondaries may have one address. */
const MAX_VERSIONS = 16

export class GivenVersions {
  private readonly versions = new Map<string, number[]>()

  add(zone: number, client: string, serial: number): void {
    const key = `${zone} ${client}`
    const known = (this.versions.get(key) ?? []).filter(each => each !== serial)
    this.versions.delete(key)
    this.versions.set(key, [...known.slice(1 - MAX_VERSIONS), serial])
    for (const oldest of this.versions.keys()) {
      if (this.versions.size <= MAX_CLIENTS) break
      this.versions.delete(oldest)
    }
  }

  has(zone: number, client: string, serial: number): boolean {
    return this.versions.get(`${zone} ${client}`)?.includes(serial) === true
  }
}
