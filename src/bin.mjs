#!/usr/bin/env node
/**
 * The command `headless-dns`: says in one line when the Node that runs it is too old, which is why this file is
 * plain JavaScript that any Node can read; then hands over to the bundle when it was built, to the source when not.
 */
const [major] = process.versions.node.split('.').map(Number)
if (major < 24) {
  process.stderr.write(
    `headless-dns needs Node 24 or later and this is ${process.version}: run it with \`npm run headless-dns --\` or \`npx headless-dns\`, which bring their own.\n`,
  )
  process.exit(1)
}
const { existsSync } = await import('node:fs')
const bundle = new URL('../dist/main.mjs', import.meta.url)
await import(existsSync(bundle) ? bundle.href : new URL('./main.ts', import.meta.url).href)
