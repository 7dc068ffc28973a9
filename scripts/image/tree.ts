/** Puts the image's root file system together: one folder for what seldom changes (Node.js and what it stands on), one for wsmand itself. */
import { chmodSync, copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseObject, textAt } from "../../src/domain/json.ts";
import { readBase, type Base, type DebianPackage } from "./base.ts";
import { entriesBelow, sha256Of } from "./archive.ts";
import { contentsOf, filesBelow } from "./contents.ts";
import { getDebianPackages, getNode, usualSources, type Sources } from "./downloads.ts";
import { shortProgram } from "./elf.ts";
import { inNewFolder } from "./folders.ts";
import { programOf, shortJson } from "./instead.ts";
import { licenceOf } from "./licences.ts";
import { compare, type Production } from "./lock.ts";
import { loadTool } from "./reached.ts";
import { sbomOf } from "./sbom.ts";
import { shortened, withoutComments } from "./shorten.ts";
import { controlOf, unpackDebian, unpackNode } from "./unpack.ts";

/** User and group that the image runs as; numeric, so that Kubernetes can tell that it is not root. */
export const imageUser = 65_532;

/** Bytes of the image's layers, unpacked, at most. */
export const sizeLimit = 120_000_000;

/** Bytes of the layer with wsmand itself, at most: what Node.js and the rest of the base leave of it. */
export const appLimit = 7_200_000;

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
 * Makes both parts anew; needs a build in dist/, installed packages, apt-get, dpkg-deb, npm and tar.
 * @param epoch seconds since 1970, for the bill of materials.
 */
export async function makeTree(root: string, folder: string, epoch: number, sources = usualSources()): Promise<Tree> {
  const tree = treeIn(folder);
  for (const part of [tree.base, tree.app]) rmSync(part, { recursive: true, force: true });
  const base = readBase(root);
  await makeBase(base, tree.base, sources);
  makeApp(root, tree.app, base, epoch);
  return tree;
}

/** Node.js, its libraries, and the little that programs expect of a system. */
export async function makeBase(base: Base, folder: string, sources: Sources): Promise<void> {
  // As Debian has it, so that a path means the same in either spelling.
  for (const name of ["bin", "lib", "lib64"]) {
    mkdirSync(join(folder, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
  const files = await getDebianPackages(base, sources);
  for (const wanted of base.debian) inNewFolder((unpacked) => addDebian(wanted, files.get(wanted.name) ?? "", unpacked, folder));
  inNewFolder((unpacked) => {
    unpackNode(getNode(base, sources), unpacked);
    put(folder, places.node, shortProgram(readFileSync(join(unpacked, "bin/node"))));
    chmodSync(join(folder, places.node), 0o755);
    put(folder, join(places.licences, "node", "LICENSE"), readFileSync(join(unpacked, "LICENSE")));
  });
  put(folder, "etc/passwd", `root:x:0:0:root:/:/sbin/nologin\nwsmand:x:${imageUser}:${imageUser}:wsmand:/:/sbin/nologin\n`);
  put(folder, "etc/group", `root:x:0:\nwsmand:x:${imageUser}:\n`);
  put(folder, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  checkLicences(base, folder);
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

/** The texts that the packages' own pages on copyright refer to are there. */
function checkLicences({ debian }: Base, folder: string): void {
  for (const { name } of debian) {
    for (const [path] of readFileSync(join(folder, "usr/share/doc", name, "copyright"), "utf8").matchAll(/usr\/share\/common-licenses\/[A-Za-z][\w.-]*\w/g)) {
      if (!existsSync(join(folder, path))) throw new Error(`${name} refers to /${path}, which base.json does not name`);
    }
  }
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
  const { production, files, links } = contentsOf(root);
  const app = join(folder, places.app);
  for (const file of ["package.json", "CHANGELOG.md"]) copyEntry(join(root, file), join(app, file));
  link(join(folder, places.licences, "wsmand", "LICENSE"), join(app, "LICENSE"));
  for (const part of ["dist", "proto"]) cpSync(join(root, part), join(app, part), { recursive: true, filter: (path) => path !== join(root, loadTool) && !/\.(?:d\.ts|map)$/.test(path) });
  for (const file of filesBelow(join(app, "dist"))) shorten(join(app, "dist", file), file.startsWith("gen/") ? shortened : withoutComments);
  for (const file of files) copyEntry(join(root, file), join(app, file));
  for (const file of files.filter((name) => programs.test(name))) writeFileSync(join(app, file), programOf(root, file));
  for (const file of files.filter((name) => name.endsWith(".json"))) writeFileSync(join(app, file), shortJson(root, file));
  for (const [place, target] of links) link(join(app, target), join(app, place));
  makeProgram(folder, app);
  addLicences(root, production, folder);
  const license = textAt(parseObject(readFileSync(join(root, "package.json"))), "license");
  const licences = new Map(production.packages.map((found) => [found.path, licenceOf(root, found).expression]));
  put(folder, places.sbom, `${JSON.stringify(sbomOf(production, base, license, epoch, ({ path }) => licences.get(path) ?? ""))}\n`);
}

const programs = /\.[cm]?js$/;

function shorten(file: string, how: (text: string) => string): void {
  writeFileSync(file, how(readFileSync(file, "utf8")));
}

/** A link that holds wherever the tree is. */
function link(target: string, place: string): void {
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(relative(dirname(place), target), place);
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
  // Most say the same as others, word by word: those are links to the first one.
  const first = new Map<string, string>();
  const add = (path: string, text: string): void => {
    if (lstatSync(join(folder, path), { throwIfNoEntry: false })) return;
    const digest = sha256Of(Buffer.from(text.replaceAll(/\s+/g, " ").trim()));
    const same = first.get(digest);
    if (same === undefined) put(folder, path, text);
    else link(join(folder, same), join(folder, path));
    first.set(digest, same ?? path);
  };
  add(join(places.licences, "wsmand", "LICENSE"), readFileSync(join(root, "LICENSE"), "utf8"));
  for (const found of production.packages) {
    const { expression, files } = licenceOf(root, found);
    const place = join(places.licences, "npm", `${found.name}@${found.version}`);
    for (const { name, text } of files) add(join(place, name), text);
    lines.push([found.name, found.version, expression, `/${place}`].join("\t"));
  }
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

/** How large a tree is. */
export interface TreeSize {
  /** Bytes of the files of each part, and of both; links and folders count nothing. */
  readonly base: number;
  readonly app: number;
  readonly total: number;
  /** Bytes of both as layers, not packed: a block for each entry and whole blocks for its content. It is what engines tell as the size of the image. */
  readonly layers: number;
}

/** How large a tree is. */
export function sizeOf({ base, app }: Tree): TreeSize {
  const [ofBase, ofApp] = [bytesIn(base), bytesIn(app)];
  return { base: ofBase.files, app: ofApp.files, total: ofBase.files + ofApp.files, layers: ofBase.layer + ofApp.layer };
}

/** The same, of a tree that an image is made of. @throws Error if it is larger than it may be. */
export function checkSize(tree: Tree): TreeSize {
  const size = sizeOf(tree);
  if (size.layers > sizeLimit) throw new Error(`the image has ${size.layers} bytes; it must have at most ${sizeLimit}`);
  return size;
}

/** What tars are made of. */
const block = 512;

function bytesIn(folder: string): { readonly files: number; readonly layer: number } {
  const files = filesOf(folder);
  const blocks = files.reduce((sum, { size }) => sum + Math.ceil(size / block), entriesBelow(folder).length);
  // Two empty blocks are its end.
  return { files: files.reduce((sum, { size }) => sum + size, 0), layer: (blocks + 2) * block };
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
