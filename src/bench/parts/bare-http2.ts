/**
 * Part: prepared frames over node:http2 alone, without any gRPC library: the measure of what Node itself can do. It speaks just enough gRPC for a
 * subscriber, and writes each frame, with gRPC's prefix before it already, to every stream.
 */
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { z } from "zod";
import { serve } from "./serve.ts";

const server = createServer({ settings: { maxConcurrentStreams: 10_000 } });
const streams = new Set<ServerHttp2Stream>();
/** Ended by the next call, or by `finish`. */
let sending = new AbortController();

server.on("stream", (stream) => {
  streams.add(stream);
  stream.on("close", () => streams.delete(stream));
  stream.on("error", () => {});
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "application/grpc" });
});

serve({
  listen: () => new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  }),
  begin: (params) => {
    const { frames } = z.object({ frames: z.array(z.instanceof(Uint8Array)) }).parse(params);
    sending.abort();
    sending = new AbortController();
    void publish(frames.map(prefixed), sending.signal);
  },
  finish: () => sending.abort(),
});

/** A message as it stands on a stream. */
function prefixed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafeSlow(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Sends one frame after the other to all, as fast as they are taken. */
async function publish(frames: readonly Buffer[], signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted && frames.length > 0; i = (i + 1) % frames.length) {
    const frame = frames[i];
    if (!frame) return;
    const full: Promise<void>[] = [];
    for (const stream of streams) if (!stream.write(frame)) full.push(drained(stream));
    if (full.length > 0) await Promise.all(full);
    // Sockets are read and written between two frames, as they are where changes come through one.
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when the stream takes more, or is gone. */
function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
