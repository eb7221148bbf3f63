import initSqlJs from 'sql.js';
import type { BindParams, Database, SqlJsStatic, SqlValue, Statement } from 'sql.js';

export type { BindParams, Database, SqlJsStatic, SqlValue, Statement };

let loading: Promise<SqlJsStatic> | undefined;

/** The sql.js module of this thread. Its WebAssembly is instantiated once and shared by all databases of the thread. */
export function loadSqlJs(): Promise<SqlJsStatic> {
  loading ??= initSqlJs();
  return loading;
}
