/** Where the namespace's changes go before anybody is told of them. */
export interface Journal {
  /**
   * Appends one batch of rows (`meta/rows.ts`), which takes effect whole or not at all, and returns its LSN. The bytes
   * are the caller's again when it returns. Throws FsError; then the log takes nothing more.
   */
  appendRows(batch: Uint8Array): number;
}
