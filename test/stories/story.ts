/**
 * How a story is told: its number and words, the cluster it begins with, what happens. Every answer that is given
 * meanwhile is held to what is true; one wrong answer fails the story, and says with which seed to see it again.
 */

import { randomInt } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { StoryWorld, type WorldOptions } from '../support/story-world.ts'

const SEED = Number(process.env['STORIES_SEED'] ?? randomInt(2 ** 31))
const TIMEOUT_MS = 60_000

export interface StoryOptions extends WorldOptions {
  /** Why it cannot be told here. */
  readonly skip?: string | undefined
}

/** @param title begins with the number of the story in the list it comes from */
export function story(
  title: string,
  options: StoryOptions,
  tell: (world: StoryWorld, context: TestContext) => Promise<void>,
): void {
  seeded(title, options.skip ?? false, async (seed, context) => {
    let world: StoryWorld | undefined
    try {
      world = await StoryWorld.start(seed, options)
      await tell(world, context)
      await world.finish()
    } finally {
      await world?.close()
    }
  })
}

/** A story that brings a world of its own. When it fails it says with which seed to see it again. */
export function seeded(
  title: string,
  skip: string | false,
  tell: (seed: number, context: TestContext) => Promise<void>,
): void {
  test(title, { timeout: TIMEOUT_MS, skip }, async context => {
    try {
      await tell((SEED ^ hashOf(title)) >>> 0, context)
    } catch (error) {
      const pattern = title.slice(0, title.indexOf(':') + 1)
      const command = `STORIES_SEED=${SEED} node --test --test-name-pattern='^${pattern}' 'test/stories/*.test.ts'`
      const { message, stack = '' } = error as Error
      const told = new Error(`${message}\nsee it again: ${command}`)
      told.stack = `${told.message}\n${stack.slice(stack.indexOf('\n    at '))}`
      throw told
    }
  })
}

/** Whether the answers are those of the cluster now. */
export function agrees(world: StoryWorld): Promise<boolean> {
  return world.checker.agrees(0).then(
    () => true,
    () => false,
  )
}

/** Whatever waits and lists it takes. */
export function agreesAtLast(world: StoryWorld): Promise<void> {
  return world.hurry(() => agrees(world), 'the answers are those of the cluster')
}

/** So that stories differ in what is random although they share the seed. */
function hashOf(title: string): number {
  let hash = 0
  for (const letter of title) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0
  return hash >>> 0
}
