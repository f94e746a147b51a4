/**
 * The version, from package.json. Layer: cli.
 */

import manifest from '../../package.json' with { type: 'json' }

export const VERSION: string = manifest.version
