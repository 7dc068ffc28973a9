/** Secrets for tests, and the search for them: all that a daemon writes is looked through for what the suite knows to be secret, as it is and as encodings show it. */
import assert from "node:assert/strict";

/** In every secret that a test makes up; nothing else has it. URLs, and the two alphabets of base64, show it differently. */
const marker = "hush/7Qx9-aZ3k~Lm/";
/** Characters that are compared at first; no secret and no encoding of one is shorter. */
const window = 16;
/** Secrets of others that are remembered, such as owner tokens. */
const maxKept = 50_000;

/** What a secret looks like somewhere. */
interface Form {
  readonly text: string;
  readonly what: string;
}

/** By their first characters. */
const forms = new Map<string, Form[]>();
const kept = new Set<string>();

type Encoding = readonly [name: string, encode: (text: string) => readonly string[]];

const encodings: readonly Encoding[] = [
  ["base64", (text) => aligned(text, "base64")],
  ["base64url", (text) => aligned(text, "base64url")],
  ["hexadecimal digits", (text) => [Buffer.from(text).toString("hex"), Buffer.from(text).toString("hex").toUpperCase()]],
  ["URL encoding", (text) => [encodeURIComponent(text)]],
];

/** What stays the same of a text in base64 whatever stands before it, for each of the three places where it can begin. */
function aligned(text: string, encoding: "base64" | "base64url"): readonly string[] {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    return bytes.toString(encoding).slice(before === 0 ? 0 : before + 1, Math.floor(bytes.length / 3) * 4);
  });
}

/** The text and its encodings, encoded again so many times. */
function formsOf({ text, what }: Form, depth: number): readonly Form[] {
  if (depth === 0) return [{ text, what }];
  return [{ text, what }, ...encodings.flatMap(([name, encode]) => encode(text).flatMap((encoded) => formsOf({ text: encoded, what: `${what} in ${name}` }, depth - 1)))];
}

function add(form: Form): void {
  const key = form.text.slice(0, window);
  const all = forms.get(key) ?? [];
  if (all.some(({ text }) => text === form.text)) return;
  forms.set(key, [...all, form]);
}

// Annotations hold messages in base64 that hold keys in base64.
for (const form of formsOf({ text: marker, what: "a secret of a test" }, 2)) add(form);

/** A secret for a test. The same for the same name, which is of letters, digits and dashes. */
export function secret(name: string): string {
  assert.match(name, /^[\w-]+$/);
  return `${marker}${name}`;
}

/** A line of an authorized_keys file whose key is such a secret. */
export function secretSshKey(name = "key"): string {
  const type = "ssh-ed25519";
  const fields = [Buffer.from(type), Buffer.from(secret(name).padEnd(32, ".")).subarray(0, 32)];
  return `${type} ${Buffer.concat(fields.flatMap((field) => [Buffer.of(0, 0, 0, field.length), field])).toString("base64")}`;
}

/** Remembers a secret that a test did not make up; of several lines each. Too many are an error: they would not be searched for. */
export function keepSecret(what: string, value: string): void {
  const lines = value.split("\n").filter((line) => /^[\w.+/=~-]{16,}$/.test(line));
  assert.ok(lines.length > 0, `${what} can not be searched for`);
  for (const text of lines) {
    if (kept.has(text)) continue;
    assert.ok(kept.size < maxKept, `more than ${maxKept} secrets`);
    kept.add(text);
    for (const form of formsOf({ text, what }, 1)) add(form);
  }
}

/** What of secrets a text shows, in words; the first ten. */
export function leaksIn(text: string): readonly string[] {
  const found: string[] = [];
  for (const { 0: run, index } of text.matchAll(/[\w.+/=%~-]{16,}/g)) {
    for (let i = 0; i + window <= run.length && found.length < 10; i++) {
      const leaked = forms.get(run.slice(i, i + window))?.find((form) => run.startsWith(form.text, i));
      if (leaked) found.push(`${leaked.what} in ${JSON.stringify(text.slice(Math.max(0, index + i - 80), index + i + 80))}`);
    }
  }
  return found;
}

/** Fails if one of the texts shows a secret. @param where they are from. */
export function assertNoSecrets(where: string, texts: Iterable<string>): void {
  for (const text of texts) assert.deepEqual(leaksIn(text), [], `${where}: there are secrets in it`);
}
