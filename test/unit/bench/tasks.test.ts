/** Tests of which call is made when: one that sets something must find another value there, also where a turn is shorter than a round. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { idPlaceholder } from "../../../src/bench/load/called.ts";
import { inRounds, tasksOf } from "../../../src/bench/load/tasks.ts";

test("every call sets another value than the workspace has, however few calls the turns have", () => {
  const workspaces = ["a", "b", "c", "d", "e"];
  const tasks = inRounds(workspaces, (path, round) => ({ path, request: Buffer.from([round]) }));
  const has = new Map<string, number | undefined>();
  let first = 0;
  for (const sent of [3, 1, 4, 12, 2, 5]) {
    const taskOf = tasksOf({ kind: "tasks", tasks, first });
    for (let n = 0; n < sent; n++) {
      const { path, request } = taskOf(n);
      assert.notEqual(has.get(path), request[0], `call ${first + n}, of ${path}`);
      has.set(path, request[0]);
    }
    first += sent;
  }
  assert.deepEqual([...has.keys()], workspaces);
});

test("without a first one a run begins at the beginning", () => {
  const taskOf = tasksOf({ kind: "tasks", tasks: ["a", "b"].map((path) => ({ path, request: new Uint8Array() })) });
  assert.deepEqual([0, 1, 2].map((n) => taskOf(n).path), ["a", "b", "a"]);
});

test("nothing to call is an error", () => {
  assert.throws(() => tasksOf({ kind: "tasks", tasks: [] })(0), /nothing to call/);
});

test("with an ID each, the ID stands in path and request", () => {
  const { path, request } = tasksOf({ kind: "each", path: `/pods/${idPlaceholder}`, request: Buffer.from(`id ${idPlaceholder}`), ids: ["a", "b"] })(1);
  assert.deepEqual([path, Buffer.from(request).toString()], ["/pods/b", "id b"]);
});
