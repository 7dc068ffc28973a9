/** Parts that an installation may leave out, as the container image does (deploy/image/README.md): what needs one says so, in place of Node's words for a file that is not there. */

/** Loads a part; undefined if its file, or one that it loads, is not there. Rejects with what else went wrong. */
export async function ifInstalled<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
