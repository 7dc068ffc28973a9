/** Compiled code that is kept between starts of a program: half of what a start costs is compiling the same files again. */
import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";

// As a whole, not by name: the entry loads this file before it checks its Node, and one that does not have the function would fail there, in its own words.

/**
 * Where it is kept: beside the packages, so that whoever can write there could as well change the code itself; a shared folder for temporary files would let others put code into this process.
 * As far from src/domain as from dist/domain.
 */
const folder = fileURLToPath(new URL("../../node_modules/.cache/wsmand", import.meta.url));

/**
 * Keeps the compiled code of what is loaded from now on, and takes what was kept before. It is written when the process ends in order, and holds one entry a file (for each version of Node, user, and set of V8's flags).
 * Where nothing can be written, nothing is kept, and nobody is told. NODE_COMPILE_CACHE names another folder; NODE_DISABLE_COMPILE_CACHE turns it off.
 */
export function keepCompiledCode(where = folder): void {
  nodeModule.enableCompileCache(where);
}

/** The environment of a Node process of ours, which keeps its compiled code from the first file on. */
export function withCompiledCode(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: folder, ...variables };
}
