import { VolumeError, type VolumeErrorKind } from '../base/errors.js';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = Record<string, JsonValue>;

/**
 * A JSON object that came from a store, read field by field. What was not asked for is left in {@link rest}; what is not
 * as it should be is an error that names the field.
 */
export class JsonFields {
  readonly #what: string;
  readonly #kind: VolumeErrorKind;
  readonly #fields: JsonObject;
  readonly #asked = new Set<string>();

  private constructor(what: string, kind: VolumeErrorKind, fields: JsonObject) {
    this.#what = what;
    this.#kind = kind;
    this.#fields = fields;
  }

  /** @throws VolumeError of this kind when the text is no JSON object */
  static parse(text: string, options: { what: string; kind?: VolumeErrorKind }): JsonFields {
    const { what, kind = 'corrupt' } = options;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw new VolumeError(kind, `${what} is not JSON: ${String(error)}`, { cause: error });
    }
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new VolumeError(kind, `${what} is not a JSON object`);
    }
    return new JsonFields(what, kind, json as JsonObject);
  }

  /** The field as it is; undefined when it is absent. */
  raw(field: string): JsonValue | undefined {
    this.#asked.add(field);
    return this.#fields[field];
  }

  /** The field's value when `is` accepts it. @throws VolumeError naming the field */
  get<T extends JsonValue>(field: string, is: (value: JsonValue) => value is T, expected: string): T {
    const value = this.raw(field);
    if (value === undefined || !is(value)) throw this.wrong(field, expected);
    return value;
  }

  /** The same, where null and absent are null. */
  optional<T extends JsonValue>(field: string, is: (value: JsonValue) => value is T, expected: string): T | null {
    const value = this.raw(field);
    return value === undefined || value === null ? null : this.get(field, is, expected);
  }

  text(field: string, pattern = /^[^]+$/, expected = 'a text'): string {
    return this.get(field, (value): value is string => isText(value) && pattern.test(value), expected);
  }

  count(field: string): number {
    return this.get(field, isCount, 'a whole number');
  }

  flag(field: string): boolean {
    return this.get(field, (value): value is boolean => typeof value === 'boolean', 'true or false');
  }

  /** Fields that nobody asked for: those of a later version, or of somebody else. */
  get rest(): JsonObject {
    return Object.fromEntries(Object.entries(this.#fields).filter(([field]) => !this.#asked.has(field)));
  }

  wrong(field: string, expected: string): VolumeError {
    const shown = JSON.stringify(this.#fields[field]) ?? 'missing';
    return new VolumeError(this.#kind, `${this.#what}: ${field} is ${shown.slice(0, 80)}, not ${expected}`);
  }
}

export function isText(value: JsonValue): value is string {
  return typeof value === 'string';
}

export function isCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
