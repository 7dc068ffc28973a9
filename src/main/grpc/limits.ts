/** Limits that hold for all messages, of our own calls and of those to others. */

/** Largest message either way, bytes (spec: api). */
export const maxMessageBytes = 16 * 1024 * 1024;
