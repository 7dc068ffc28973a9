/** The logger as the parts see it: pino's shape, reduced to what we use. */

/** Structured logger. Fields first, then the message. Nothing secret goes into either. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
