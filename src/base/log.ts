import { pino, type Logger as PinoLogger } from 'pino';

/** What rooms may say to the log. Fields first, then a sentence; never file contents, names of secrets' values or tokens. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/**
 * A logger of JSON lines, appended to a file at once (no buffer to lose in a crash). The level is `FORKFS_LOG`'s, `info`
 * when it is not set or not a level.
 */
export function fileLogger(path: string): Logger & Pick<PinoLogger, 'flush'> {
  const asked = process.env['FORKFS_LOG'] ?? 'info';
  const level = (LOG_LEVELS as readonly string[]).includes(asked) ? asked : 'info';
  return pino(
    { level, base: { pid: process.pid } },
    pino.destination({ dest: path, sync: true, mkdir: true, mode: 0o600 }),
  );
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
