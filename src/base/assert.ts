/** Programming errors end here: a failed assertion is a defect of ours, never a user's mistake. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${what}`);
}
