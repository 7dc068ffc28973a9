/** Checks answers of GetWorkspaces and DescribeWorkspace: every known workspace, once, and never older than in an answer before. */
import { FrameReader } from "./frame.ts";

const statusTag = 0x0a;

/** Checks answers in the order in which they were asked for; each must have come before the next one is asked for. */
export class AnswerCheck {
  /** The newest version that was told of each workspace; -1: none yet. */
  readonly #versions: Map<string, number>;
  readonly #reader = new FrameReader();

  /** @param ids workspaces that are there all the time; others may be, too. */
  constructor(ids: readonly string[]) {
    this.#versions = new Map(ids.map((id) => [id, -1]));
  }

  /** A GetWorkspacesResponse. Gives what is wrong with it; undefined if nothing is. @throws RangeError if it is none. */
  get(bytes: Uint8Array): string | undefined {
    const seen = new Set<string>();
    let twice = 0;
    let older = 0;
    for (let at = 0; at < bytes.length;) {
      const end = endOfStatus(bytes, at);
      const { id, isOlder } = this.#status(bytes, at, end);
      if (seen.has(id)) twice++;
      seen.add(id);
      if (isOlder) older++;
      at = end;
    }
    const missing = [...this.#versions.keys()].filter((id) => !seen.has(id)).length;
    if (missing + twice + older === 0) return undefined;
    return `of ${this.#versions.size} workspaces ${missing} were missing, ${twice} came twice, ${older} were older than before`;
  }

  /** A DescribeWorkspaceResponse, likewise. */
  describe(asked: string, bytes: Uint8Array): string | undefined {
    const { id, isOlder } = this.#status(bytes, 0, bytes.length);
    if (id !== asked) return `asked for ${asked}, it describes ${JSON.stringify(id)}`;
    return isOlder ? `the status of ${asked} is older than before` : undefined;
  }

  #status(bytes: Uint8Array, from: number, to: number): { readonly id: string; readonly isOlder: boolean } {
    const reader = this.#reader;
    reader.read(bytes, from, to);
    const id = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", reader.idFrom, reader.idTo);
    const before = this.#versions.get(id);
    if (before !== undefined && reader.version > before) this.#versions.set(id, reader.version);
    return { id, isOlder: before !== undefined && reader.version < before };
  }
}

/** Where the status ends whose field begins here. */
function endOfStatus(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== statusTag) throw new RangeError("not a GetWorkspacesResponse");
  let length = 0;
  let next = at + 1;
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    const byte = bytes[next++] ?? 0;
    length += (byte & 127) * scale;
    if (byte < 128) break;
  }
  if (next + length > bytes.length) throw new RangeError("a status is longer than its message");
  return next + length;
}
