/** ControlPort: exposes a port of a workspace, or hides it again (spec: api). */
import { encodeBase64 } from "../../../domain/base64.ts";
import { WsmanError } from "../../../domain/errors.ts";
import { annotations } from "../../../domain/names.ts";
import { wsman } from "../../../gen/proto.js";
import { renderUrl } from "../../config/url-template.ts";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies, UrlConfig } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { workspaceOf } from "./workspace-of.ts";

type Port = wsman.PortSpec.$Properties;

/** Changes the list of ports on the pod, together with whoever else changes it. */
export function controlPort({ reader, writer, urls }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, expose, spec } = decodeRequest(wsman.ControlPortRequest, "ControlPortRequest", request);
    const { port, visibility } = checked(spec);
    if (expose && urls.portUrlTemplate === undefined) throw new WsmanError("FAILED_PRECONDITION", "the configuration has no manager.portUrlTemplate, without which ports have no URL");
    const workspace = workspaceOf({ reader, writer }, id);
    await writer.change(workspace, `control port ${port} of workspace ${workspace.facts.id}`, call.signal, (known) => {
      const before = portsIn(known.get(annotations.exposedPorts));
      const url = (): string => portUrl(urls, workspace.facts.id, known.get(annotations.servicePrefix), port);
      const after = expose ? exposed(before, { port, visibility, url: url() }) : before.filter((other) => other.port !== port);
      return same(before, after) ? undefined : { [annotations.exposedPorts]: packed(after) };
    });
    return emptyResponse;
  };
}

function checked(spec: Port | null | undefined): { readonly port: number; readonly visibility: wsman.PortVisibility } {
  if (!spec) throw new WsmanError("INVALID_ARGUMENT", "spec is required");
  const port = spec.port ?? 0;
  const visibility = spec.visibility ?? wsman.PortVisibility.PORT_VISIBILITY_PRIVATE;
  if (port < 1 || port > 65535) throw new WsmanError("INVALID_ARGUMENT", `port ${port} is out of range: give one from 1 to 65535`);
  if (wsman.PortVisibility[visibility] === undefined) throw new WsmanError("INVALID_ARGUMENT", `visibility ${String(visibility)} is unknown`);
  return { port, visibility };
}

/** The ports in their order, this one in its place or at the end. */
function exposed(ports: readonly Port[], port: Port): readonly Port[] {
  const known = ports.some((other) => other.port === port.port);
  return known ? ports.map((other) => (other.port === port.port ? port : other)) : [...ports, port];
}

function same(a: readonly Port[], b: readonly Port[]): boolean {
  return packed(a) === packed(b);
}

/** What is broken there has no ports; the next change mends it. */
function portsIn(text: string | undefined): readonly Port[] {
  if (text === undefined) return [];
  try {
    return wsman.ExposedPorts.decode(Buffer.from(text, "base64")).ports;
  } catch {
    return [];
  }
}

function packed(ports: readonly Port[]): string {
  return encodeBase64(wsman.ExposedPorts.encode({ ports: ports.map(({ port, visibility, url }) => ({ port: port ?? 0, visibility: visibility ?? 0, url: url ?? "" })) }).finish());
}

function portUrl({ portUrlTemplate, hostURL }: UrlConfig, id: string, prefix: string | undefined, port: number): string {
  return renderUrl(portUrlTemplate ?? "", { ID: id, Prefix: prefix ?? id, Host: hostURL, WorkspacePort: String(port), IngressPort: String(port) });
}
