/** Copy on write: a change works on what looks like a deep copy, and only the parts that it touches are copied. */
import { isObject, put } from "./json.ts";
import type { Json } from "./json.ts";
import type { JsonObject } from "../../domain/json.ts";

interface Node {
  readonly base: object;
  readonly copy: object;
  readonly children: Map<string | symbol, object>;
  touched: boolean;
  result?: object;
}

/**
 * Gives what `change` makes of the object; the object itself and all parts left alone stay as they are and are shared.
 * The draft is good until `change` returns, reads as the plain object, and may be changed everywhere.
 */
export function produce(base: JsonObject, change: (draft: Json) => void): JsonObject {
  const nodes = new WeakMap<object, Node>();
  const draft = (value: object): object => {
    const node: Node = { base: value, copy: shallow(value), children: new Map(), touched: false };
    const proxy = new Proxy(node.copy, {
      get(target, name, receiver): unknown {
        const known = node.children.get(name);
        if (known) return known;
        const found: unknown = Reflect.get(target, name, receiver);
        if (typeof found !== "object" || found === null || nodes.has(found) || !Object.hasOwn(target, name)) return found;
        const child = draft(found);
        node.children.set(name, child);
        return child;
      },
      set: (target, name, value: unknown): boolean => assign(node, target, name, value),
      deleteProperty(target, name): boolean {
        node.touched = true;
        node.children.delete(name);
        return Reflect.deleteProperty(target, name);
      },
      defineProperty(target, name, descriptor): boolean {
        node.touched = true;
        node.children.delete(name);
        return Reflect.defineProperty(target, name, descriptor);
      },
    });
    nodes.set(proxy, node);
    return proxy;
  };
  const root = draft(base);
  if (!isObject(root)) throw new TypeError("only objects can be drafted");
  change(root);
  const result = settle(root, nodes);
  return isObject(result) ? result : base;
}

function assign(node: Node, target: object, name: string | symbol, value: unknown): boolean {
  node.touched = true;
  node.children.delete(name);
  return Reflect.defineProperty(target, name, Array.isArray(target) && name === "length" ? { value } : { value, writable: true, enumerable: true, configurable: true });
}

/** What a draft, or a value that may hold drafts, stands for. */
function settle(value: unknown, nodes: WeakMap<object, Node>): unknown {
  if (typeof value !== "object" || value === null) return value;
  const node = nodes.get(value);
  if (!node) return settleMembers(value, (member) => settle(member, nodes));
  node.result ??= settleNode(node, nodes);
  return node.result;
}

function settleNode(node: Node, nodes: WeakMap<object, Node>): object {
  const settled = new Map<string | symbol, unknown>();
  let changed = node.touched;
  for (const [name, child] of node.children) {
    const result = settle(child, nodes);
    settled.set(name, result);
    changed ||= result !== Reflect.get(node.base, name);
  }
  if (!changed) return node.base;
  // Members that are the base's own are shared; what else there is was settled above or brought in by the change.
  return settleMembers(node.copy, (member, name) => {
    if (settled.has(name)) return settled.get(name);
    return Object.hasOwn(node.base, name) && member === Reflect.get(node.base, name) ? member : settle(member, nodes);
  });
}

function settleMembers(value: object, settleOne: (member: unknown, name: string) => unknown): object {
  if (Array.isArray(value)) return value.map((item: unknown, i) => settleOne(item, String(i)));
  const copy: Json = {};
  for (const [name, member] of Object.entries(value)) put(copy, name, settleOne(member, name));
  return copy;
}

function shallow(value: object): object {
  if (!Array.isArray(value)) return { ...value };
  const items: readonly unknown[] = value;
  return [...items];
}
