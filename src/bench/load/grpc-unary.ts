/** Calls with one answer, on the lean client. */
import type { GrpcConnection } from "./grpc-stream.ts";

/** How a call ended. */
export interface CallEnd {
  /** One message came, and then trailers. They are not decoded, but a server that fails a call sends no message. */
  readonly ok: boolean;
  /** What went wrong; empty if nothing did. */
  readonly why: string;
}

const good: CallEnd = { ok: true, why: "" };

/** Makes a call. @param answer gets the answer; its bytes are valid during the call only. Never rejects; waits for as long as the connection lasts. */
export function callUnary(connection: GrpcConnection, path: string, request: Uint8Array, answer: (bytes: Buffer, start: number, end: number) => void): Promise<CallEnd> {
  const { promise, resolve } = Promise.withResolvers<CallEnd>();
  let messages = 0;
  connection.call(path, request, {}, {
    message: (bytes, start, end) => {
      if (++messages === 1) answer(bytes, start, end);
    },
    opened: () => {},
    ended: (why, complete) => resolve(complete && messages === 1 ? good : { ok: false, why: complete ? `${messages} messages came instead of one` : why }),
  });
  return promise;
}
