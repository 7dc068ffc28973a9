/** Paths of gRPC methods. */

/** Path of a method of the workspace manager. */
export function pathOf(method: string): string {
  return `/wsman.WorkspaceManager/${method}`;
}
