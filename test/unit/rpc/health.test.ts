/** Health watches, as the server keeps them. */
import { test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { addHealth } from "../../../src/main/rpc/health.ts";
import { connectHttp2, wireMessage } from "../../support/raw-http2.ts";
import { until } from "../../support/until.ts";

test("nothing is kept of a watch whose client ends its request after its deadline, nor of any other that is over", async (t) => {
  const server = new Server();
  const health = addHealth(server);
  const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
  const session = connectHttp2(port);
  t.after(() => {
    session.destroy();
    server.forceShutdown();
  });
  const watch = (service: string, timeout: string) => {
    const stream = session.request({ ":method": "POST", ":path": "/grpc.health.v1.Health/Watch", "content-type": "application/grpc", te: "trailers", "grpc-timeout": timeout });
    stream.on("error", () => {});
    stream.resume();
    stream.write(wireMessage(Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)])));
    return stream;
  };
  const open = watch("", "1H");
  open.end();
  const [late, lateStranger] = [watch("", "50m"), watch("nope", "50m")];
  let answered = 0;
  for (const stream of [late, lateStranger]) stream.once("response", () => answered++);
  await until("their deadline has passed", () => answered === 2);
  for (const stream of [late, lateStranger]) stream.end();
  // Its answer comes after theirs, in one connection.
  const check = session.request({ ":method": "POST", ":path": "/grpc.health.v1.Health/Check", "content-type": "application/grpc", te: "trailers" });
  check.resume();
  check.end(wireMessage(Buffer.alloc(0)));
  await until("what came after them is answered", () => check.closed);
  await until("one is left", () => health.watches === 1);
  open.close();
  await until("none is left", () => health.watches === 0);
});
