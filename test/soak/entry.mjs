/**
 * The server as it is delivered, and one thing more: its garbage is collected when a soak asks for it.
 */

import './collect.mjs'

await import('../../src/bin.mjs')
