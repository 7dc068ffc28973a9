/** The checks of documents find what is wrong with one. */
import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { Command, InvalidArgumentError } from "commander";
import { isPlaceholder } from "../../support/docs/command-line.ts";
import { CommandChecker } from "../../support/docs/commands.ts";
import { documentProblems, documentsIn, type DocumentChecks } from "../../support/docs/documents.ts";
import { readMarkdown } from "../../support/docs/markdown.ts";
import { shellCommands } from "../../support/docs/shell.ts";

const names: DocumentChecks["names"] = {
  metrics: new Set(["wsmand_leader", "gitpod_ws_manager_workspace_startup_seconds"]),
  configuration: ["manager", "manager.namespace", "manager.workspaceClass.ID", "manager.workspaceClass.ID.name"],
  isVariable: (name) => name === "WSMAN_ADDRESS",
};

/** A small program with what commands can have. */
function program(): Command {
  const made = new Command("wsmand");
  const number = (text: string): number => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a number.");
    return Number(text);
  };
  made.command("run").option("--config <file>").option("--demo <count>", "workspaces", number).option("--embedded");
  made.command("stop").argument("<id...>");
  made.command("port").argument("<id>").argument("<port>", "port", number);
  made.command("bench").allowUnknownOption().argument("[args...]");
  return made;
}

async function folder(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "wsmand-docs-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const [file, text] of Object.entries({ "package.json": JSON.stringify({ scripts: { wsmand: "exec node dist/main/index.js", start: "exec node dist/main/index.js run --embedded", test: "node --test" } }), ...files })) {
    await mkdir(join(root, dirname(file)), { recursive: true });
    await writeFile(join(root, file), text);
  }
  return root;
}

function checksOf(root: string): DocumentChecks {
  const bench = new Command("bench").argument("<scenario>").option("--runs <n>");
  bench.registeredArguments[0]?.choices(["stream"]);
  return { commands: new CommandChecker({ root, wsmand: program(), handsOver: new Map([["bench", bench]]) }), names };
}

async function problems(t: TestContext, text: string, files: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const root = await folder(t, { ...files, "page.md": text });
  return documentProblems(root, checksOf(root), ["page.md"]);
}

test("a link to what is not there, a heading that is not there, and a way out of the repository are found", async (t) => {
  const files = { "docs/other.md": "# Other things: two\n\n## `a.b` and [c](x)\n\n## Again\n\n## Again\n\n```\n# no heading\n```\n" };
  const good = "[a](docs/other.md) [b](docs/other.md#other-things-two) [c](docs/other.md#ab-and-c) [d](docs/other.md#again-1) [e](#here) [f](https://example.com/x#y) [docs](docs)\n\n# Here\n";
  assert.deepEqual(await problems(t, good, files), []);
  const bad = "text\n[a](docs/gone.md) [b](docs/other.md#gone) [c](#gone) [d](../x) [e](/x) [f](docs/other.md#no-heading)\n\n[ref]: gone.md\n\n`[code](gone.md)`\n";
  assert.deepEqual(await problems(t, bad, files), [
    "page.md:2: docs/gone.md: there is no docs/gone.md",
    "page.md:2: docs/other.md#gone: docs/other.md has no heading for #gone",
    "page.md:2: #gone: page.md has no heading for #gone",
    "page.md:2: ../x leads out of the repository",
    "page.md:2: /x leads out of the repository",
    "page.md:2: docs/other.md#no-heading: docs/other.md has no heading for #no-heading",
    "page.md:4: gone.md: there is no gone.md",
  ]);
});

test("scripts, commands, flags and values that there are not are found, in blocks and in sentences", async (t) => {
  assert.deepEqual(await problems(t, "    npm ci && npm start   # all\n    X=1 npm run --silent wsmand -- run --config FILE --demo 3 | head\n    npm test -- a\n\n`wsmand stop ID…` `wsmand bench stream --runs 5` `wsmand bench SCENARIO [flags]` `wsmand COMMAND` `wsmand port`\n"), []);
  assert.deepEqual(await problems(t, "```sh\nnpm run gone\nnpm start -- --gone\nwsmand run --gone\nwsmand run --demo many\ntimeout 10 node dist/main/index.js gone || true\nwsmand port one\nwsmand port one 1 2\nwsmand run --config\nwsmand bench gone\nwsmand run --embedded=yes\n```\nIn a sentence `wsmand run --gone`, `npm run gone -- x`, `wsmand bench --gone`.\n"), [
    "page.md:2: package.json has no script gone",
    "page.md:2: run has no flag --gone",
    "page.md:2: run has no flag --gone",
    "page.md:2: --demo many: It must be a number.",
    "page.md:2: wsmand has no command gone",
    "page.md:2: port needs <port>",
    'page.md:2: port takes no "2"',
    "page.md:2: --config of run needs a value",
    "page.md:2: scenario gone: Allowed choices are stream.",
    "page.md:2: --embedded of run takes no value",
    "page.md:13: run has no flag --gone",
    "page.md:13: package.json has no script gone",
    "page.md:13: bench has no flag --gone",
  ]);
});

test("blocks in other languages are no commands", async (t) => {
  assert.deepEqual(await problems(t, "```yaml\nwsmand run --gone\n```\n\n- a list\n\n      npm run gone\n"), []);
});

test("files of the repository and values of the chart that there are not are found", async (t) => {
  const files = { "examples/a.json": "", "deploy/helm/wsmand/values.yaml": "image: {tag: x}\nconfig: {}\nlist: []\n", "src/main/kube/watch.ts": "" };
  assert.deepEqual(await problems(t, "    helm install x deploy/helm/wsmand --set image.tag=1,config.a.b=2 --set-string 'list[0]=3' -f values.yaml\n    wsmand run --config FILE < examples/a.json\n\n`examples/a.json` `kube/watch.ts` `examples/*.json`\n", files), []);
  assert.deepEqual(await problems(t, "    helm install x deploy/helm/wsmand --set image.gone=1 --set=gone=2\n    cat < examples/gone.json\n\n`examples/gone.json` `kube/gone.ts` `examples/*.yaml`\n", files), [
    "page.md:1: deploy/helm/wsmand has no value image.gone",
    "page.md:1: deploy/helm/wsmand has no value gone",
    "page.md:1: there is no examples/gone.json",
    "page.md:4: there is no examples/gone.json",
    "page.md:4: there is no kube/gone.ts",
    "page.md:4: there is no examples/*.yaml",
  ]);
});

test("metrics, keys of the configuration and variables that there are not are found", async (t) => {
  assert.deepEqual(await problems(t, "`wsmand_leader` `max(wsmand_leader) < 1` `gitpod_ws_manager_workspace_startup_seconds_bucket` `wsmand_…` `wsmand_*` `manager.namespace: default` `manager.workspaceClass.ID.name` `manager.workspaceClass.large` `manager.yaml` `WSMAN_ADDRESS`\n"), []);
  assert.deepEqual(await problems(t, "`wsmand_gone` `gitpod_ws_manager_gone_…` `manager.gone: true` `manager.workspaceClass.a.gone` `WSMAND_GONE=1`\n\n```promql\nrate(wsmand_gone_total[5m])\n```\n"), [
    "page.md:4: there is no metric wsmand_gone_total",
    "page.md:1: there is no metric wsmand_gone",
    "page.md:1: there is no metric gitpod_ws_manager_gone_",
    "page.md:1: the configuration has no manager.gone",
    "page.md:1: the configuration has no manager.workspaceClass.a.gone",
    "page.md:1: nothing reads the variable WSMAND_GONE",
  ]);
});

test("all documents are looked at, but those of others", async (t) => {
  const root = await folder(t, { "README.md": "", "docs/a.md": "", "deploy/helm/README.md": "", "node_modules/x/README.md": "", "dist/y.md": "" });
  assert.deepEqual(documentsIn(root), ["README.md", "deploy/helm/README.md", "docs/a.md"]);
});

test("a line of a shell is split as a shell does", () => {
  assert.deepEqual(shellCommands(`A=1 wsmand run "a b" 'c|d' e\\ f --x=$(date +%s) < in > out 2>&1 | head -3 && true; echo "\\"q\\"" # comment`).map(({ variables, words, reads, writes }) => ({ variables, words, reads, writes })), [
    { variables: ["A=1"], words: ["wsmand", "run", "a b", "c|d", "e f", "--x=$(date +%s)"], reads: ["in"], writes: ["out"] },
    { variables: [], words: ["head", "-3"], reads: [], writes: [] },
    { variables: [], words: ["true"], reads: [], writes: [] },
    { variables: [], words: ["echo", '"q"'], reads: [], writes: [] },
  ]);
  assert.deepEqual(shellCommands("$ wsmand list \\\n  --json\n# nothing\nit's").map(({ words }) => words), [["wsmand", "list", "--json"], ["it's"]]);
});

test("placeholders are told from words", () => {
  for (const word of ["FILE", "HOST:PORT", "GO-DAEMON", "N", "<id>", "[flags]", "ID…", "$SERVER/x", "..."]) assert.ok(isPlaceholder(word), word);
  for (const word of ["file", "--config", "127.0.0.1:8080", "Stream", "a.json"]) assert.ok(!isPlaceholder(word), word);
});

test("lines of links, blocks and spans are told", () => {
  const { links, blocks, spans } = readMarkdown("# A\n\ntext `one\ntwo` [x](y)\n\n    block\n\n    more\n\n~~~sh\nlast\n~~~\n<!-- [no](no) -->\n");
  assert.deepEqual(links, [{ target: "y", line: 4 }]);
  assert.deepEqual(spans, [{ text: "one two", line: 3 }]);
  assert.deepEqual(blocks, [{ language: "", text: "block\n\nmore", line: 6 }, { language: "sh", text: "last", line: 11 }]);
});
