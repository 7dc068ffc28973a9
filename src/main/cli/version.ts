/** Command `version`. */
import { version } from "../version.ts";

/** What `version` prints. */
export function versionText(): string {
  return `wsmand ${version()} (Node.js ${process.versions.node})`;
}
