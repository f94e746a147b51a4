/** How many lines a text has, for targets that name lines. */
export function countLines(text: string): number {
  return text.split('\n').length
}
