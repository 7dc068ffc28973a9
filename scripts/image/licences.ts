/** The licence texts of what the image holds. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, textAt } from "../../src/domain/json.ts";
import { compare, personIn, type LockedPackage } from "./lock.ts";

/** The licence of a package. */
export interface Licence {
  /** SPDX expression; what the lock file or the package says. */
  readonly expression: string;
  /** Name and text of each file. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

const fileNames = /^(?:licen[cs]e|copying|notice|unlicense|mit-license|copyright)(?:[.-].*)?$/i;

/**
 * The licence texts of an installed package. One that declares a licence but holds no text gets that licence's own.
 * @throws Error for a package without either, which nobody may pass on.
 */
export function licenceOf(root: string, { path, name, version, license }: LockedPackage): Licence {
  const folder = join(root, path);
  const manifest = parseObject(readFileSync(join(folder, "package.json")));
  const expression = license || textAt(manifest, "license");
  const found = readdirSync(folder).filter((file) => fileNames.test(file) && !/\.(?:js|ts|json)$/.test(file)).toSorted(compare);
  if (found.some((file) => !/^notice/i.test(file))) return { expression, files: found.map((file) => ({ name: file, text: readFileSync(join(folder, file), "utf8") })) };
  const text = standardText(root, expression, personIn(manifest, "author") || `the authors of ${name}`);
  if (text === undefined) throw new Error(`${name} ${version} holds no licence text, and its licence ${expression || "(none)"} has no text here: add it in scripts/image/licences.ts`);
  const note = `${name} ${version} declares the licence ${expression} and holds no text of it; this is that licence's text.\n\n`;
  return { expression, files: [{ name: "LICENSE", text: note + text }] };
}

function standardText(root: string, expression: string, holder: string): string | undefined {
  if (expression === "MIT") return mit(holder);
  const own = join(root, "LICENSE");
  return expression === "Apache-2.0" && existsSync(own) ? readFileSync(own, "utf8") : undefined;
}

function mit(holder: string): string {
  return `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;
}
