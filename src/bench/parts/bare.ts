/**
 * Part: a bare grpc-js server that sends prepared frames to every stream, and nothing else: the measure of what the library can do.
 * As good as its public API allows: bytes as they are (identity serializers), no interceptors, one write for each stream and frame. Two ways:
 * "publish" sends one frame after the other to all streams, as changes come, and waits for those whose buffer is full; "pull" lets each stream
 * take frames at its own pace, many in a row, which saves system calls.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { z } from "zod";
import { asIs } from "../../domain/as-is.ts";
import { pathOf } from "../load/paths.ts";
import { serve } from "./serve.ts";

type Call = ServerWritableStream<Buffer, Buffer>;

const server = new Server({ "grpc.max_concurrent_streams": 10_000 });
const calls = new Set<Call>();
/** Ended by the next call, or by `finish`. */
let sending = new AbortController();

server.addService(
  { subscribe: { path: pathOf("Subscribe"), requestStream: false, responseStream: true, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } },
  {
    subscribe: (call: Call) => {
      calls.add(call);
      call.on("cancelled", () => calls.delete(call));
      call.on("close", () => calls.delete(call));
      call.on("error", () => calls.delete(call));
      // Headers at once, as the daemon does.
      call.sendMetadata(call.metadata.clone());
    },
  },
);

serve({
  listen: () => new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  }),
  begin: (params) => {
    const { frames, way } = z.object({ frames: z.array(z.instanceof(Uint8Array)), way: z.enum(["publish", "pull"]) }).parse(params);
    sending.abort();
    sending = new AbortController();
    const sent = frames.map((frame) => Buffer.from(frame));
    if (way === "publish") void publish(sent, sending.signal);
    else for (const call of calls) void feed(call, sent, sending.signal);
  },
  finish: () => sending.abort(),
});

/** Sends one frame after the other to all, as fast as they are taken. */
async function publish(frames: readonly Buffer[], signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted && frames.length > 0; i = (i + 1) % frames.length) {
    const frame = frames[i];
    if (!frame) return;
    const full: Promise<void>[] = [];
    for (const call of calls) if (!call.write(frame)) full.push(drained(call));
    if (full.length > 0) await Promise.all(full);
    // Sockets are read and written between two frames, as they are where changes come through one.
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sends frames to one stream, as fast as it takes them. */
async function feed(call: Call, frames: readonly Buffer[], signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted && calls.has(call); i = (i + 1) % frames.length) {
    const frame = frames[i];
    if (!frame) return;
    if (!call.write(frame)) await drained(call);
  }
}

/** Resolves when the stream takes more, or is gone. */
function drained(call: Call): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done).off("cancelled", done).off("close", done);
      resolve();
    };
    call.on("drain", done).on("cancelled", done).on("close", done);
  });
}
