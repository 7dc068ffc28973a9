/** Puts the image's root file system together: one folder for what seldom changes (Node.js and what it stands on), one for wsmand itself. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseObject, textAt } from "../../src/domain/json.ts";
import { controlOf, downloadsFolder, getDebianPackages, getNode, inNewFolder, readBase, unpackDebian, unpackNode, type Base, type DebianPackage } from "./base.ts";
import { entriesBelow } from "./archive.ts";
import { contentsOf, filesBelow } from "./contents.ts";
import { licenceOf } from "./licences.ts";
import { compare, type Production } from "./lock.ts";
import { loadTool } from "./reached.ts";
import { sbomOf } from "./sbom.ts";
import { shortened } from "./shorten.ts";

/** User and group that the image runs as; numeric, so that Kubernetes can tell that it is not root. */
export const imageUser = 65_532;

/** Bytes of all files of the image, at most: 120 MiB, of which Node.js takes 103.5. */
export const sizeLimit = 120 * 1024 * 1024;

/** Where things are in the image. */
export const places = { app: "app", program: "usr/bin/wsmand", node: "usr/bin/node", licences: "usr/share/licenses", sbom: "usr/share/sbom/wsmand.cdx.json" } as const;

/** Folders of a tree. */
export interface Tree {
  readonly base: string;
  readonly app: string;
}

/** Folders below one. */
export function treeIn(folder: string): Tree {
  return { base: join(folder, "base"), app: join(folder, "app") };
}

/**
 * Makes both parts anew; needs a build in dist/, installed packages, apt-get, dpkg-deb, npm, tar and strip.
 * @param epoch seconds since 1970, for the bill of materials.
 */
export function makeTree(root: string, folder: string, epoch: number, downloads = downloadsFolder()): Tree {
  const tree = treeIn(folder);
  for (const part of [tree.base, tree.app]) rmSync(part, { recursive: true, force: true });
  const base = readBase(root);
  makeBase(base, tree.base, downloads);
  makeApp(root, tree.app, base, epoch);
  return tree;
}

/** Node.js, its libraries, and the little that programs expect of a system. */
export function makeBase(base: Base, folder: string, downloads: string): void {
  // As Debian has it, so that a path means the same in either spelling.
  for (const name of ["bin", "lib", "lib64"]) {
    mkdirSync(join(folder, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
  const files = getDebianPackages(base, downloads);
  for (const wanted of base.debian) inNewFolder((unpacked) => addDebian(wanted, files.get(wanted.name) ?? "", unpacked, folder));
  inNewFolder((unpacked) => {
    unpackNode(getNode(base, downloads), unpacked);
    // Its table of symbols is a sixth of it, and nothing that runs reads it.
    execFileSync("strip", ["--strip-all", "-o", join(folder, places.node), join(unpacked, "bin/node")]);
    chmodSync(join(folder, places.node), 0o755);
    put(folder, join(places.licences, "node", "LICENSE"), readFileSync(join(unpacked, "LICENSE")));
  });
  put(folder, "etc/passwd", `root:x:0:0:root:/:/sbin/nologin\nwsmand:x:${imageUser}:${imageUser}:wsmand:/:/sbin/nologin\n`);
  put(folder, "etc/group", `root:x:0:\nwsmand:x:${imageUser}:\n`);
  put(folder, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  mkdirSync(join(folder, "tmp"));
  chmodSync(join(folder, "tmp"), 0o1777);
}

function addDebian({ name, files }: DebianPackage, file: string, unpacked: string, folder: string): void {
  unpackDebian(file, unpacked);
  const wanted = files.flatMap((path) => (path.endsWith("/") ? filesBelow(join(unpacked, path)).map((below) => path + below) : [path]));
  for (const path of wanted) copyEntry(join(unpacked, path), join(folder, merged(path)));
  const documents = join("usr/share/doc", name);
  // Of some packages the folder is a link to another package's, which is here then, too.
  if (lstatSync(join(unpacked, documents), { throwIfNoEntry: false })?.isSymbolicLink() === true) copyEntry(join(unpacked, documents), join(folder, documents));
  else copyEntry(join(unpacked, documents, "copyright"), join(folder, documents, "copyright"));
  // Where scanners for vulnerabilities look for what a system without a package manager is made of.
  put(folder, join("var/lib/dpkg/status.d", name), controlOf(file));
  if (name === "ca-certificates") put(folder, "etc/ssl/certs/ca-certificates.crt", bundleOf(join(unpacked, "usr/share/ca-certificates")));
}

/** All authorities in one file, as update-ca-certificates writes it. */
function bundleOf(folder: string): string {
  return filesBelow(folder).filter((file) => file.endsWith(".crt")).map((file) => `${readFileSync(join(folder, file), "utf8").trimEnd()}\n`).join("");
}

/** A path in a package as it is where /lib is a link to /usr/lib. */
function merged(path: string): string {
  return /^(?:bin|lib|lib64)\//.test(path) ? `usr/${path}` : path;
}

/** wsmand: its build, its production dependencies, licences, and the bill of materials of the whole image. */
export function makeApp(root: string, folder: string, base: Base, epoch: number): void {
  if (!existsSync(join(root, "dist/main/index.js"))) throw new Error("dist/ holds no build: npm run build");
  const { production, files } = contentsOf(root);
  const app = join(folder, places.app);
  for (const file of ["package.json", "LICENSE", "CHANGELOG.md"]) copyEntry(join(root, file), join(app, file));
  for (const part of ["dist", "proto"]) cpSync(join(root, part), join(app, part), { recursive: true, filter: (path) => path !== join(root, loadTool) && !/\.(?:d\.ts|map)$/.test(path) });
  for (const file of files) copyEntry(join(root, file), join(app, file));
  for (const file of [...files, "dist/gen/proto.js"].filter((name) => /\.[cm]?js$/.test(name))) writeFileSync(join(app, file), shortened(readFileSync(join(root, file), "utf8")));
  makeProgram(folder, app);
  addLicences(root, production, folder);
  const license = textAt(parseObject(readFileSync(join(root, "package.json"))), "license");
  const licences = new Map(production.packages.map((found) => [found.path, licenceOf(root, found).expression]));
  put(folder, places.sbom, `${JSON.stringify(sbomOf(production, base, license, epoch, ({ path }) => licences.get(path) ?? ""), undefined, 1)}\n`);
}

/** The program by its name: the kernel starts Node.js for it, no shell and no env needed. */
function makeProgram(folder: string, app: string): void {
  const entry = join(app, "dist/main/index.js");
  writeFileSync(entry, readFileSync(entry, "utf8").replace(/^#!.*/, `#!/${places.node}`));
  chmodSync(entry, 0o755);
  mkdirSync(dirname(join(folder, places.program)), { recursive: true });
  symlinkSync(`/${places.app}/dist/main/index.js`, join(folder, places.program));
}

function addLicences(root: string, production: Production, folder: string): void {
  const lines = ["package\tversion\tlicence\tfolder"];
  for (const found of production.packages) {
    const { expression, files } = licenceOf(root, found);
    const place = join(places.licences, "npm", `${found.name}@${found.version}`);
    for (const { name, text } of files) put(folder, join(place, name), text);
    lines.push([found.name, found.version, expression, `/${place}`].join("\t"));
  }
  put(folder, join(places.licences, "wsmand", "LICENSE"), readFileSync(join(root, "LICENSE")));
  put(folder, join(places.licences, "npm.tsv"), `${[...new Set(lines)].join("\n")}\n`);
}

function put(folder: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

/** A copy with a plain mode; links stay links. */
function copyEntry(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const stat = lstatSync(from);
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
    return;
  }
  copyFileSync(from, to);
  chmodSync(to, (stat.mode & 0o100) === 0 ? 0o644 : 0o755);
}

/** How large a tree is: bytes of all files. Links and folders count nothing. */
export function sizeOf({ base, app }: Tree): { readonly base: number; readonly app: number; readonly total: number } {
  const [ofBase, ofApp] = [bytesIn(base), bytesIn(app)];
  return { base: ofBase, app: ofApp, total: ofBase + ofApp };
}

function bytesIn(folder: string): number {
  return filesOf(folder).reduce((sum, { size }) => sum + size, 0);
}

function filesOf(folder: string): readonly { readonly name: string; readonly size: number }[] {
  return entriesBelow(folder).filter(({ content }) => content !== undefined).map(({ name }) => ({ name, size: lstatSync(join(folder, name)).size }));
}

/** The largest things in a tree, for people: package or path, and bytes. */
export function largestIn({ base, app }: Tree, count: number): readonly (readonly [string, number])[] {
  const sizes = new Map<string, number>();
  for (const { name, size } of [base, app].flatMap((folder) => filesOf(folder))) {
    const key = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(name)?.[1] ?? name.split("/").slice(0, 3).join("/");
    sizes.set(key, (sizes.get(key) ?? 0) + size);
  }
  return [...sizes].toSorted((a, b) => b[1] - a[1] || compare(a[0], b[0])).slice(0, count);
}
