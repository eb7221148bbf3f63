import { PARKED_REQUESTS_MAX } from '../base/limits.js';

interface ParkedRequest {
  unique: number;
  bytes: Buffer;
}

/** Requests that wait for room in the log, in order of arrival, as copies of their bytes. */
export class Parked {
  readonly #requests: ParkedRequest[] = [];

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** No further request may be read: it could not be kept. */
  get isFull(): boolean {
    return this.#requests.length >= PARKED_REQUESTS_MAX;
  }

  get count(): number {
    return this.#requests.length;
  }

  add(unique: number, bytes: Buffer): void {
    this.#requests.push({ unique, bytes: Buffer.from(bytes) });
  }

  first(): Buffer | undefined {
    return this.#requests[0]?.bytes;
  }

  removeFirst(): void {
    this.#requests.shift();
  }

  /** Its process is being killed: nothing of it was done, and nothing will be. */
  remove(unique: number): void {
    const index = this.#requests.findIndex((request) => request.unique === unique);
    if (index >= 0) this.#requests.splice(index, 1);
  }
}
