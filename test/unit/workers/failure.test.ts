/** What is read out of termination messages. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failureFromLog } from "../../../src/workers/failure.ts";

describe("a termination message", () => {
  const cases: readonly [name: string, log: string, text: string][] = [
    ["without a newline is taken whole", '{"message":"m"}', '{"message":"m"}'],
    ["gives the message of its last line", '{"message":"first"}\n{"message":"last"}\n', "last"],
    ["gives message and error", '{"message":"m","error":"e"}\n', "m: e"],
    ["gives its only line", '{"message":"m","error":""}\n', "m"],
    ["has an incomplete last line left out", '{"message":"done"}\n{"message":"cut off', "done"],
    ["has lines without JSON or message left out", '{"message":"m"}\nplain\n{}\n{"message":""}\n[1]\n{"message":3}\n{"message":"x","error":{}}\n{bad}\n', "m"],
    ["without any such line is taken whole", "plain\ntext\n", "plain\ntext\n"],
    ["may begin with a newline", "\n", "\n"],
  ];
  for (const [name, log, text] of cases) it(name, () => assert.equal(failureFromLog(log), text));

  it("of a million broken lines does not take long", () => {
    const log = `{"message":"too far up"}\n${"{a}\n".repeat(250_000)}`;
    const began = performance.now();
    assert.equal(failureFromLog(log), log);
    // Minutes, if each line were looked at for each.
    assert.ok(performance.now() - began < 20_000);
  });
});
