/** Who we are where a version is asked for. */
import { readFileSync } from "node:fs";
import { asObject, stringAt } from "../domain/json.ts";

/** Version of the package. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const manifest: unknown = JSON.parse(text);
  return stringAt(asObject(manifest), "version") ?? "unknown";
}
