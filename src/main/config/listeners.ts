/** Addresses that the daemon listens on: two at the same port keep it from starting. */
import { objectAt, textAt, type JsonObject } from "../../domain/json.ts";
import { parseListenAddress, sharePort } from "../../domain/listen-address.ts";
import type { Rule } from "./fields.ts";
import { mayServeProfiles } from "./profiling.ts";

/** Rules of the whole configuration: each two of gRPC, metrics and profiles have ports of their own, or addresses. */
export const listenerRules: readonly Rule[] = [ownPort("prometheus", "rpcServer"), ownPort("pprof", "rpcServer"), ownPort("pprof", "prometheus")];

function ownPort(later: string, earlier: string): Rule {
  return {
    member: `${later}.addr`,
    message: `must not be at the port of ${earlier}.addr, which listens on the same address: give each a port of its own`,
    holds: (members) => {
      const [one, other] = [earlier, later].map((section) => listened(section, members));
      return one === undefined || other === undefined || !sharePort(one, other);
    },
  };
}

/** Where a section's server listens; undefined: nowhere. Addresses that make no sense are told of as such. */
function listened(section: string, members: JsonObject): ReturnType<typeof parseListenAddress> {
  const addr = textAt(objectAt(members, section), "addr");
  const tls = objectAt(objectAt(objectAt(members, "wsmand"), "profiling"), "tls");
  return section === "pprof" && !mayServeProfiles(addr, tls) ? undefined : parseListenAddress(addr);
}
