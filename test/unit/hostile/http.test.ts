/** The HTTP side among clients that keep connections and do not read. */
import { connect } from "node:net";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { startHttpServer } from "../../../src/metrics/http.ts";
import { until } from "../../support/until.ts";

/** What the server answers on a connection of its own; "" if it lets none in. */
function probe(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

test("clients that do not read their answers lose their connections, so that health probes get in", async (t) => {
  // More than the kernel's buffers take in, which may be tens of megabytes.
  const body = "x".repeat(64 * 1024 * 1024);
  const maxConnections = 4;
  const server = await startHttpServer({ addr: "127.0.0.1:0", metrics: { render: async () => body, contentType: "text/plain" }, live: [], ready: [], log: silentLog, maxConnections });
  t.after(() => server.close());
  const stalled = Array.from({ length: maxConnections }, () => connect(server.port, "127.0.0.1"));
  t.after(() => stalled.forEach((socket) => socket.destroy()));
  for (const socket of stalled) {
    socket.on("error", () => undefined);
    socket.pause();
    socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  await until("all connections are taken", async () => (await probe(server.port)) === "");
  await until("a probe gets in", async () => (await probe(server.port)).startsWith("HTTP/1.1 200"));
});
