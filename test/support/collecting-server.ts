/**
 * The server from source, with its garbage collected when a test asks for it (test/soak/collect.mjs).
 */

import '../soak/collect.mjs'

await import('../../src/main.ts')
