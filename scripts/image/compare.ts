/** Compares a tree with the root file system of an image that was built by the Containerfile. */
import { entriesBelow, sha256Of, type Entry } from "./archive.ts";
import { readFileSync } from "node:fs";
import { compare } from "./lock.ts";
import type { Tree } from "./tree.ts";

/** Folders and files that builders and container engines put into every root file system. */
const ofBuilders = /^(?:dev|proc|sys|run|etc\/(?:hosts|hostname|resolv\.conf|mtab))(?:\/|$)/;

/** What differs, a line for each; empty if nothing does. */
export function differences({ base, app }: Tree, built: string): readonly string[] {
  const expected = tableOf([...entriesBelow(base), ...entriesBelow(app)]);
  const found = tableOf(entriesBelow(built).filter(({ name }) => !ofBuilders.test(name)));
  return [...new Set([...expected.keys(), ...found.keys()])].toSorted(compare).flatMap((name) => {
    const [wanted, has] = [expected.get(name), found.get(name)];
    if (wanted === has) return [];
    return [`${name}: ${wanted ?? "not in the tree"}; ${has ?? "not in the image"}`];
  });
}

function tableOf(entries: readonly Entry[]): ReadonlyMap<string, string> {
  return new Map(entries.map((entry) => [entry.name, `${entry.mode.toString(8)} ${contentOf(entry)}`]));
}

function contentOf({ content, link }: Entry): string {
  if (link !== undefined) return `-> ${link}`;
  if (content === undefined) return "folder";
  return sha256Of(content instanceof Uint8Array ? content : readFileSync(content.file));
}
