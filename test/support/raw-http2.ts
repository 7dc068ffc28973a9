/** An HTTP/2 client that keeps to no rule of gRPC, for servers that must bear it. */
import http2 from "node:http2";
import type { IncomingHttpHeaders } from "node:http";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";

/** A gRPC message on the wire. @param length what the prefix says. */
export function wireMessage(bytes: Uint8Array, { compressed = 0, length = bytes.length } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** A connection; errors on it are expected. @param initialWindowSize what the server may send of each answer before it is read. */
export function connectHttp2(port: number, initialWindowSize = 65_535): ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize } });
  session.on("error", () => undefined);
  return session;
}

/** Begins a call of wsman.WorkspaceManager; errors on it are expected. */
export function beginCall(session: ClientHttp2Session, method: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({ ":method": "POST", ":path": `/wsman.WorkspaceManager/${method}`, "content-type": "application/grpc", te: "trailers", ...headers });
  stream.on("error", () => undefined);
  stream.end(body);
  return stream;
}

/** Makes a call on a connection of its own and tells how it ended: `HTTP status/grpc-status`, or the code of a reset. */
export function callOnce(port: number, method: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<string> {
  const session = connectHttp2(port);
  return new Promise((resolve) => {
    const stream = beginCall(session, method, body, headers);
    let http = "";
    let grpc = "";
    const read = (given: IncomingHttpHeaders & { readonly ":status"?: number | undefined }): void => {
      http = given[":status"]?.toString() ?? http;
      grpc = given["grpc-status"]?.toString() ?? grpc;
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("close", () => {
      session.destroy();
      resolve(http === "" ? `reset ${stream.rstCode}` : `${http}/${grpc}`);
    });
    stream.resume();
  });
}
