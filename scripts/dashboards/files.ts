/** Which dashboard stands in which file of the chart. */
import { apiServer } from "./api-server.ts";
import { lifecycle } from "./lifecycle.ts";
import { overview } from "./overview.ts";
import { streamsAndCalls } from "./streams.ts";

/** Where the files are, from the repository's root. */
export const dashboardFolder = "deploy/helm/wsmand/files/dashboards";

const dashboards: Readonly<Record<string, object>> = { overview, streams: streamsAndCalls, lifecycle, "api-server": apiServer };

/** Names and texts of the files. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(Object.entries(dashboards).map(([name, model]) => [`${name}.json`, `${JSON.stringify(model, undefined, 2)}\n`]));
}
