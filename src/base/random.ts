import { randomBytes, randomInt, randomUUID } from 'node:crypto';

/** The one place that draws random values, so that tests can give their own. */
export interface Random {
  /** A whole number in [0, below), below <= 2^48 - 1. */
  below(limit: number): number;
  /** Lower-case base-32 text of this many characters (5 bits each). */
  id(characters: number): string;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export const systemRandom: Random = {
  below: (limit) => randomInt(limit),
  id: (characters) => Array.from(randomBytes(characters), (byte) => ALPHABET[byte & 31]).join(''),
};

export function newUuid(): string {
  return randomUUID();
}
