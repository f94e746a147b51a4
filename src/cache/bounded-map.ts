/**
 * Maps keyed by what peers send: bounded, whatever comes. Layer: cache. The only door to lru-cache.
 */

export { LRUCache as BoundedMap } from 'lru-cache'
