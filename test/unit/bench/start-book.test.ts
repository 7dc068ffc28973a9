/** Tests of the bookkeeping of starts: it must see a workspace that has no pod, two, or none that knows of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StartBook } from "../../../src/bench/load/start-book.ts";
import { addFaults } from "../../../src/bench/load/starts.ts";

const pending = 1;
const stopped = 6;

/** A book with workspaces a and b. */
function book(): StartBook {
  const made = new StartBook();
  made.begin("a");
  made.begin("b");
  return made;
}

test("a workspace is complete with a pod and a status, and not with one of them", () => {
  const made = book();
  assert.deepEqual(made.missing(["a", "b"]), { podless: ["a", "b"], untold: ["a", "b"] });
  made.pod("a", "uid-1");
  made.status("b", pending);
  assert.deepEqual(made.missing(["a", "b"]), { podless: ["b"], untold: ["a"] });
  made.status("a", pending);
  assert.deepEqual(made.missing(["a"]), { podless: [], untold: [] });
});

test("a second pod of a workspace is told once, the same pod again is not", () => {
  const made = book();
  made.pod("a", "uid-1");
  made.pod("a", "uid-1");
  assert.equal(made.twice, 0);
  made.pod("a", "uid-2");
  made.pod("a", "uid-3");
  made.pod("b", "uid-4");
  assert.equal(made.twice, 1);
});

test("a workspace that had a pod is left until it is told as STOPPED", () => {
  const made = book();
  made.pod("a", "uid-1");
  assert.deepEqual(made.unstopped(["a", "b"]), ["a"]);
  made.stopping("a");
  made.status("a", stopped);
  assert.deepEqual(made.unstopped(["a", "b"]), []);
  made.status("a", stopped);
  made.status("a", pending);
  assert.deepEqual(made.ends, { again: 1, afterwards: 1, early: 0 });
});

test("STOPPED of a workspace that nobody stopped is early", () => {
  const made = book();
  made.status("a", stopped);
  assert.equal(made.ends.early, 1);
});

test("workspaces of others, and those that ended, are no one's", () => {
  const made = book();
  made.end(["a"]);
  for (const id of ["a", "other"]) {
    made.pod(id, "uid-1");
    made.pod(id, "uid-2");
    made.status(id, stopped);
    made.stopping(id);
  }
  assert.deepEqual([made.twice, made.unstopped(["a", "other"]), made.missing(["a", "other"])], [0, [], { podless: [], untold: [] }]);
});

test("a workspace with several faults is lost once", () => {
  const faults = { podless: 1, untold: 0, unmarked: 0, left: 0, lost: 1 };
  addFaults(faults, { podless: ["a", "b"], untold: ["a"], unmarked: ["c"], left: ["c", "a"] });
  assert.deepEqual(faults, { podless: 3, untold: 1, unmarked: 1, left: 2, lost: 4 });
});
