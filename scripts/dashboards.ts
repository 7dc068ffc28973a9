// Writes the chart's Grafana dashboards from scripts/dashboards/.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { dashboardFiles, dashboardFolder } from "./dashboards/files.ts";

const folder = resolve(import.meta.dirname, "..", dashboardFolder);
for (const [name, text] of dashboardFiles()) writeFileSync(join(folder, name), text);
