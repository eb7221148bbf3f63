/**
 * Goes round and round through a Set or Map that changes meanwhile. It goes on where it was: a new iterator would walk over
 * every place whose element was deleted, which makes taking from the front of a large Set cost its whole size.
 */
export class Cursor<T> {
  readonly #begin: () => Iterator<T>;
  #iterator: Iterator<T>;

  constructor(begin: () => Iterator<T>) {
    this.#begin = begin;
    this.#iterator = begin();
  }

  /** The next element, after the last the first again; undefined: there is none. */
  next(): T | undefined {
    let place = this.#iterator.next();
    if (place.done === true) {
      this.#iterator = this.#begin();
      place = this.#iterator.next();
    }
    return place.done === true ? undefined : place.value;
  }
}
