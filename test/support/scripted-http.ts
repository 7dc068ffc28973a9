/** An HTTP server that answers as a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";

/** A server on 127.0.0.1. */
export interface ScriptedServer {
  /** HOST:PORT */
  readonly address: string;
  /** "GET /path?query" of all requests so far. */
  readonly requests: readonly string[];
  /** Answers; never answering is fine. */
  respond: (request: IncomingMessage, response: ServerResponse) => void;
}

/** Starts one that ends with the test. */
export async function startScriptedServer(t: Pick<TestContext, "after">): Promise<ScriptedServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
    scripted.respond(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });
  const scripted: ScriptedServer = { address: `127.0.0.1:${address.port}`, requests, respond: (_request, response) => void response.writeHead(500).end() };
  return scripted;
}
