/** A configuration file's text, read with bounds and parsed as JSON or YAML. Errors never quote it: it may hold credentials. */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { reasonOf } from "../../domain/file-reasons.ts";

/** Larger files are no configurations. */
const maxFileBytes = 4 * 1024 * 1024;
/** YAML lets a file refer to its own parts; expanding them stops here. */
const maxAliases = 1000;

/** What a file holds, or what is wrong with it; `unread`: it could not even be read. */
export type Document = { readonly value: unknown } | { readonly problem: string; readonly unread?: boolean };

/** Reads a file and parses it. Never rejects. */
export async function readDocument(path: string): Promise<Document> {
  let text: string;
  try {
    text = await readBounded(path);
  } catch (error) {
    return { problem: `can not be read: ${reasonOf(error)}`, unread: true };
  }
  return parseDocument(text);
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    return await readAll(file);
  } finally {
    await file.close();
  }
}

async function readAll(file: FileHandle): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(64 * 1024), 0, 64 * 1024, null);
    if (bytesRead === 0) return Buffer.concat(chunks).toString("utf8");
    total += bytesRead;
    if (total > maxFileBytes) throw new Error(`it is larger than ${maxFileBytes} bytes`);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

/** Parses JSON, or else YAML. Never rejects. */
export async function parseDocument(text: string): Promise<Document> {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  try {
    const value: unknown = JSON.parse(source);
    return { value };
  } catch {
    return parseYaml(source);
  }
}

async function parseYaml(source: string): Promise<Document> {
  const { LineCounter, parseDocument: parse } = await import("yaml");
  const lines = new LineCounter();
  try {
    const document = parse(source, { prettyErrors: false, logLevel: "silent", lineCounter: lines });
    const [error] = document.errors;
    if (error) return { problem: `is neither JSON nor YAML: ${error.code.toLowerCase().replaceAll("_", " ")} at ${position(lines.linePos(error.pos[0]))}` };
    const value: unknown = document.toJS({ maxAliasCount: maxAliases });
    return { value };
  } catch {
    return { problem: "is neither JSON nor YAML, or nested too deeply" };
  }
}

function position({ line, col }: { line: number; col: number }): string {
  return `line ${line}, column ${col}`;
}
