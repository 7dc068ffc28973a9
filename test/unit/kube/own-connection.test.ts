/** Watches over connections of their own: plain and TLS, memory that is used again, held bodies, and peers that misbehave. */
import assert from "node:assert/strict";
import { createServer, Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { KubeClient } from "../../../src/main/kube/client.ts";
import type { Access } from "../../../src/main/kube/credentials.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { createAuthority } from "../../support/certs.ts";
import { FakeApiServer } from "../../support/fake-apiserver.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";
import { fixedAccess, plainAccess } from "./setup.ts";

const never = new AbortController().signal;

function clientFor(t: TestContext, access: Access): { readonly client: KubeClient; readonly clock: FakeClock } {
  const clock = new FakeClock();
  const client = new KubeClient({ credentials: fixedAccess(access), clock });
  t.after(() => client.close());
  return { client, clock };
}

async function rejection(promise: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof KubeError, `rejects with a KubeError, not ${String(error)}`);
  return error;
}

/** A server of bytes, for answers that no HTTP server would give. */
async function rawServer(t: TestContext, serve: (socket: Socket) => void): Promise<Access> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return plainAccess(`http://127.0.0.1:${address.port}`);
}

const authority = await createAuthority("ca");
const pair = await authority.issue("server", { usage: "server" });

for (const scheme of ["http", "https"] as const) {
  describe(`a watch over ${scheme}`, () => {
    async function start(t: TestContext, trusted = true): Promise<{ readonly server: FakeApiServer; readonly client: KubeClient }> {
      const server = await new FakeApiServer(scheme === "https" ? { cert: pair.crt, key: pair.key } : undefined).start();
      t.after(() => server.stop());
      const access = { ...plainAccess(server.url, "t0ken"), basePath: "/prefix", tls: trusted ? { ca: authority.crt } : {} };
      return { server, ...clientFor(t, access) };
    }

    test("brings every byte in order, whether or not the reader holds it back, from memory that is used again", async (t) => {
      const { server, client } = await start(t);
      const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff));
      server.handle = (answer) => {
        for (let at = 0; at < sent.length; at += 77_777) answer.raw(sent.subarray(at, at + 77_777));
        answer.end();
      };
      const response = await client.request({ method: "GET", watch: true, path: "/pods", query: { watch: "1", labelSelector: "a=b c" }, signal: never });
      assert.equal(response.status, 200);
      const got: Buffer[] = [];
      const memories = new Set<ArrayBufferLike>();
      let parts = 0;
      await response.body.pump((chunk) => {
        memories.add(chunk.buffer);
        if (parts++ % 3 !== 0) return void got.push(Buffer.from(chunk));
        // Looked at only after everything that could overwrite it had its turn.
        return new Promise((resolve) => setTimeout(() => {
          got.push(Buffer.from(chunk));
          resolve();
        }, 2));
      }, 10_000);
      assert.ok(Buffer.concat(got).equals(sent));
      assert.ok(memories.size <= 8, `${memories.size} pieces of memory`);
      const [seen] = server.requests;
      assert.deepEqual([seen?.path, seen?.query.get("labelSelector"), seen?.headers["authorization"], seen?.headers["accept"]], ["/prefix/pods", "a=b c", "Bearer t0ken", "application/json"]);
      await until("the connection is closed", () => server.open === 0);
    });

    test("does not take a connection from other requests, and ends with the client", async (t) => {
      const { server, client } = await start(t);
      server.handle = (answer) => (answer.request.watch ? answer.open() : answer.json(200, {}));
      const watches = await Promise.all(Array.from({ length: 20 }, async () => client.request({ method: "GET", watch: true, path: "/pods", query: { watch: "1" }, signal: never })));
      await client.getRaw("/x", { signal: never });
      const ends = watches.map(async ({ body }) => rejection(body.pump(() => undefined, 10_000)));
      await client.close();
      assert.deepEqual(new Set((await Promise.all(ends)).map(({ reason }) => reason)), new Set(["Closed"]));
      await until("all connections are closed", () => server.open === 0);
    });

    test("that is held back when the server ends it ends with the client all the same", async (t) => {
      const { server, client } = await start(t);
      server.handle = (answer) => answer.raw("x".repeat(50_000)).end();
      const { body } = await client.request({ method: "GET", watch: true, path: "/pods", signal: never });
      const held = Promise.withResolvers<void>();
      const end = rejection(body.pump(() => {
        held.resolve();
        return new Promise(() => {});
      }, 10_000));
      await held.promise;
      await new Promise((resolve) => setTimeout(resolve, 50));
      await client.close();
      assert.equal((await end).reason, "Closed");
    });

    test("keeps its connection alive", async (t) => {
      const { server, client } = await start(t);
      server.handle = (answer) => void answer.open();
      const kept: unknown[] = [];
      t.mock.method(Socket.prototype, "setKeepAlive", function set(this: Socket, ...args: unknown[]) {
        kept.push(args);
        return this;
      });
      const { body } = await client.request({ method: "GET", watch: true, path: "/pods", signal: never });
      assert.deepEqual(kept, [[true, 15_000]]);
      body.discard();
    });

    test("ends with its signal, in the head and in the body, and leaves no connection", async (t) => {
      const { server, client } = await start(t);
      server.handle = () => undefined;
      const first = new AbortController();
      const pending = rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: first.signal }));
      await until("the request is there", () => server.requests.length === 1);
      first.abort();
      assert.equal((await pending).reason, "Aborted");
      server.handle = (answer) => void answer.open().raw("x");
      const second = new AbortController();
      const { body } = await client.request({ method: "GET", watch: true, path: "/pods", signal: second.signal });
      const end = rejection(body.pump(() => second.abort(), 10_000));
      assert.equal((await end).reason, "Aborted");
      await until("all connections are closed", () => server.open === 0);
    });

    test("that is refused gives status and body, and one that is broken off an error that can be tried again", async (t) => {
      const { server, client } = await start(t);
      server.handle = (answer) => answer.status(403, "Forbidden");
      const refused = await client.request({ method: "GET", watch: true, path: "/pods", signal: never });
      assert.equal(refused.status, 403);
      assert.match(Buffer.from(await refused.body.bytes(1000, 1000)).toString(), /Forbidden/);
      server.handle = (answer) => {
        answer.raw("half");
        setTimeout(() => answer.reset(), 5);
      };
      const { body } = await client.request({ method: "GET", watch: true, path: "/pods", signal: never });
      assert.ok((await rejection(body.pump(() => undefined, 10_000))).retryable);
    });

    if (scheme === "https") test("to a server whose certificate is not trusted is refused before anything is sent", async (t) => {
      const { server, client } = await start(t, false);
      const error = await rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: never }));
      assert.match(error.reason, /SELF_SIGNED|UNABLE_TO/);
      assert.equal(server.requests.length, 0);
    });
  });
}

describe("a peer", () => {
  test("that is not there is told with its system error", async (t) => {
    const { client } = clientFor(t, plainAccess("http://127.0.0.1:1"));
    const error = await rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: never }));
    assert.deepEqual([error.reason, error.retryable], ["ECONNREFUSED", true]);
  });

  test("that takes the connection and says nothing is given up in time", async (t) => {
    const reached = Promise.withResolvers<void>();
    const { client, clock } = clientFor(t, await rawServer(t, (socket) => socket.once("data", () => reached.resolve())));
    const pending = rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: never, timeoutMs: 20_000 }));
    await reached.promise;
    clock.advance(20_000);
    assert.equal((await pending).reason, "Timeout");
  });

  test("that speaks something else is told so, and one that hangs up as well", async (t) => {
    for (const [say, reason] of [["SSH-2.0-x\r\n\r\n", "NotHTTP"], ["", "Truncated"], ["HTTP/1.1 200 OK\r\ntransfer-enc", "Truncated"]] as const) {
      const { client } = clientFor(t, await rawServer(t, (socket) => socket.once("data", () => socket.end(say))));
      assert.equal((await rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: never }))).reason, reason);
    }
  });

  test("that is not read sends no more: what waits here is one read of the socket", async (t) => {
    let sent = 0;
    const access = await rawServer(t, (socket) => socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const more = (): void => {
        while (socket.write(Buffer.alloc(1 << 20))) sent++;
        sent++;
        socket.once("drain", more);
      };
      more();
    }));
    const { client } = clientFor(t, access);
    const { body } = await client.request({ method: "GET", watch: true, path: "/pods", signal: never });
    const gate = Promise.withResolvers<void>();
    let taken = 0;
    const end = rejection(body.pump((chunk) => {
      taken += chunk.length;
      return gate.promise;
    }, 10_000));
    let before = -1;
    await until("the kernel's buffers are full", async () => {
      const still = before === sent;
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return still && sent > 0;
    });
    assert.ok(taken <= 128 * 1024, `${taken} bytes taken`);
    body.discard();
    assert.equal((await end).reason, "Aborted");
  });

  test("is not sent headers that would end the request's head", async (t) => {
    const { client } = clientFor(t, plainAccess("http://127.0.0.1:1", "secret\r\nx: y"));
    const error = await rejection(client.request({ method: "GET", watch: true, path: "/pods", signal: never }));
    assert.equal(error.reason, "Credentials");
    assert.ok(!error.message.includes("secret"));
  });
});
