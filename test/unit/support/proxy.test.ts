/** The proxy of the fault tests: what a partition does to connections. */
import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { Proxy, type Act } from "../../support/chaos/proxy.ts";
import { until } from "../../support/until.ts";

/** A server that keeps what it gets, behind a proxy. */
async function setup(t: TestContext) {
  const got: string[] = [];
  const there: Socket[] = [];
  const server = createServer((socket) => {
    there.push(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => got.push(data.toString()));
    socket.on("end", () => got.push("end"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const acts: Act[] = [];
  const proxy = await Proxy.start({ url: `http://127.0.0.1:${port}`, insecure: true, namespace: "default" }, { acted: (act) => acts.push(act), named: () => {} });
  const answers: string[] = [];
  const dial = (): Socket => {
    const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.on("data", (data) => answers.push(data.toString()));
    return socket;
  };
  t.after(async () => {
    for (const socket of there) socket.destroy();
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });
  const client = dial();
  client.write("one");
  await until("it comes through", () => got.length === 1);
  return { proxy, client, dial, got, there, acts, answers };
}

const act = "DELETE /api/v1/namespaces/default/pods/ws-one HTTP/1.1\r\n";

test("in silence connections stay open and nothing comes, either way; what was sent arrives when it is over, and was seen when it was sent", async (t) => {
  const { proxy, client, dial, got, there, acts, answers } = await setup(t);
  proxy.silence();
  client.write(act);
  there[0]?.write("an answer");
  const second = dial();
  second.write("two");
  await until("the request was seen as it was sent", () => acts.length === 1);
  await until("the other side has sent, too, and the second connection is there", () => there[0]?.writableLength === 0 && there.length === 2);
  assert.deepEqual([got, answers, client.destroyed, second.destroyed], [["one"], [], false, false]);
  proxy.mend();
  await until("all has arrived", () => got.length === 3 && answers.length === 1);
  assert.deepEqual([got.toSorted(), answers], [["one", act, "two"].toSorted(), ["an answer"]]);
  client.write("three");
  await until("it is as before", () => got.includes("three"));
});

test("what was sent into silence arrives also where the sender has given it up; then its end does", async (t) => {
  const { proxy, client, got, acts } = await setup(t);
  proxy.silence();
  client.write(act);
  await until("it was sent", () => acts.length === 1);
  client.destroy();
  proxy.mend();
  await until("its end has arrived", () => got.includes("end"));
  assert.deepEqual(got, ["one", act, "end"]);
});

test("a cut breaks connections off, and refuses others until it is mended", async (t) => {
  const { proxy, client, dial } = await setup(t);
  proxy.cut();
  await until("it is broken off", () => client.destroyed);
  const refused = dial();
  await until("it is refused", () => refused.destroyed);
  proxy.mend();
  const again = dial();
  await new Promise((resolve) => again.once("connect", resolve));
  again.destroy();
});
