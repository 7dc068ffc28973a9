/** The kinds of value that the configuration file holds. Each takes Go's zero values ("", 0, null) for absent, as the file may have been written by a Go program. */
import { z } from "zod";
import { parseGoDuration } from "../../domain/duration.ts";
import { asObject } from "../../domain/json.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import { parseListenAddress } from "../../domain/listen-address.ts";
import { describeValue } from "./describe-value.ts";
import { Secret } from "./secret.ts";

/** What a field makes of a value: the result, or the words "must be ..." without what was found instead. */
type Parsed<T> = { readonly value: T } | { readonly expected: string };

/** A field of the schema that yields T. */
export type Field<T> = z.ZodType<T>;

/** A field that may be missing, from the file and then from the output. */
export type OptionalField<T> = z.ZodOptional<z.ZodType<T | undefined>>;

/** What the reference of the configuration (docs/configuration.md) says of a field, beside its description: it is made from the schema. */
export interface FieldNotes {
  /** What kind of value it takes, in a few words. */
  readonly type?: string;
  readonly required?: boolean;
  /** What counts if it is missing, as the schema yields it. */
  readonly fallback?: unknown;
  /** The same in words, where it is no constant of the schema. */
  readonly missing?: string;
  /** What stands for the keys of {@link entries} in a path. */
  readonly key?: string;
}

/** Notes of all fields. */
export const fieldNotes = z.registry<FieldNotes>();

/** The field, with words for what its absence means, where others than the schema give it a meaning. */
export function whenMissing<S extends z.ZodType>(field: S, words: string): S {
  fieldNotes.add(field, { ...fieldNotes.get(field), missing: words });
  return field;
}

/** A kind of value. */
interface Kind<T> {
  /** In a few words. */
  readonly type: string;
  readonly parse: (value: unknown) => Parsed<T>;
  /** What counts as missing; default {@link isAbsent}. */
  readonly absent?: (value: unknown) => boolean;
  /** Whether problems may show what was found; default true. */
  readonly showValue?: boolean;
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === "";

function field<T>({ type, parse, absent = isAbsent, showValue = true }: Kind<NoInfer<T>>, whenAbsent: Parsed<T>): Field<T> {
  // A preprocess, as zod does not ask plain transforms about members that are missing.
  const made = z.preprocess((value, context) => {
    const parsed = absent(value) ? whenAbsent : parse(value);
    if ("value" in parsed) return parsed.value;
    context.addIssue({ code: "custom", message: absent(value) ? parsed.expected : `${parsed.expected}, got ${showValue ? describeValue(value) : typeof value}` });
    return z.NEVER;
  }, z.custom<T>(() => true));
  fieldNotes.add(made, { type, ...("value" in whenAbsent ? { fallback: whenAbsent.value } : { required: true }) });
  return made;
}

function required<T>(kind: Kind<T>): Field<T> {
  return field<T>(kind, { expected: "is required" });
}

function optional<T>(kind: Kind<T>): OptionalField<T> {
  return field<T | undefined>(kind, { value: undefined }).optional();
}

function textOf(value: unknown): Parsed<string> {
  return typeof value === "string" ? { value } : { expected: "must be a string" };
}

const plainText: Kind<string> = { type: "text", parse: textOf };

/** A text that must be there. */
export function text(): Field<string> {
  return required(plainText);
}

/** A text that may be missing. */
export function optionalText(): OptionalField<string> {
  return optional(plainText);
}

/** The name of a file, or nothing. Whether it is there is not looked at. */
export function optionalFile(): OptionalField<string> {
  return optional({ ...plainText, type: "file" });
}

/** A text that may be missing, and is kept out of sight. */
export function optionalSecret(): OptionalField<Secret> {
  const parse = (value: unknown): Parsed<Secret> => (typeof value === "string" ? { value: new Secret(value) } : { expected: "must be a string" });
  return optional({ type: "text, secret", parse, showValue: false });
}

/** A text that a check accepts; the check says what the text must be, or undefined if all is well. */
export function checkedText(check: (text: string) => string | undefined, type = "text"): Field<string> {
  return required({ type, parse: (value) => checked(value, check) });
}

/** As checkedText, but may be missing. */
export function optionalCheckedText(check: (text: string) => string | undefined, type = "text"): OptionalField<string> {
  return optional({ type, parse: (value) => checked(value, check) });
}

function checked(value: unknown, check: (text: string) => string | undefined): Parsed<string> {
  if (typeof value !== "string") return { expected: "must be a string" };
  const expected = check(value);
  return expected === undefined ? { value } : { expected };
}

/** true or false; false if missing. */
export function flag(fallback = false): Field<boolean> {
  return field({ type: "boolean", parse: (value) => (typeof value === "boolean" ? { value } : { expected: "must be true or false" }) }, { value: fallback });
}

/** One of some words, with a default. */
export function choice<const T extends string>(options: readonly T[], fallback: T): Field<T> {
  const words = options.filter((option) => option !== "").join(", ");
  const parse = (value: unknown): Parsed<T> => {
    const found = options.find((option) => option === value);
    return found === undefined ? { expected: `must be one of ${words}` } : { value: found };
  };
  return field({ type: `one of ${words}`, parse }, { value: fallback });
}

/** Go's zero duration counts as absent, too. */
const isZeroDuration = (value: unknown): boolean => isAbsent(value) || value === 0 || value === "0" || value === "0s";

function durationOf(value: unknown): Parsed<number> {
  const ms = typeof value === "string" ? parseGoDuration(value) : undefined;
  if (ms === undefined) return { expected: 'must be a Go duration such as "30s" or "1h30m"' };
  return ms > 0 ? { value: ms } : { expected: "must be a duration above zero" };
}

/** A Go duration above zero that must be there; milliseconds. */
export function duration(): Field<number> {
  return required({ type: "duration", parse: durationOf, absent: isAbsentDuration });
}

const isAbsentDuration = (value: unknown): boolean => isAbsent(value) || value === 0;

/** A Go duration with a default (milliseconds), which zero means as well. */
export function durationWithDefault(fallbackMs: number): Field<number> {
  return field({ type: "duration", parse: durationOf, absent: isZeroDuration }, { value: fallbackMs });
}

/** A number within bounds, whole unless told otherwise. Zero counts as absent if it is out of bounds. */
interface NumberBounds {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

function numberKind({ min, max, whole = true }: NumberBounds): Kind<number> {
  const type = `${whole ? "whole " : ""}number from ${min} to ${max}`;
  return {
    type,
    parse: (value) => (typeof value === "number" && value >= min && value <= max && (!whole || Number.isSafeInteger(value)) ? { value } : { expected: `must be a ${type}` }),
    absent: (value) => isAbsent(value) || (value === 0 && min > 0),
  };
}

/** A number with a default. */
export function numberWithDefault(fallback: number, bounds: NumberBounds): Field<number> {
  return field(numberKind(bounds), { value: fallback });
}

/** A number that may be missing. */
export function optionalNumber(bounds: NumberBounds): OptionalField<number> {
  return optional(numberKind(bounds));
}

function quantityText(value: unknown): Parsed<string> {
  const text = typeof value === "number" ? String(value) : value;
  const amount = typeof text === "string" ? parseQuantity(text) : undefined;
  if (typeof text !== "string" || amount === undefined) return { expected: 'must be a Kubernetes quantity such as "500m" or "1.5Gi"' };
  return amount < 0 ? { expected: "must be a quantity that is not negative" } : { value: text };
}

/** A Kubernetes quantity that may be missing, in its own notation; YAML may hold a bare number. */
export function optionalQuantity(): OptionalField<string> {
  return optional({ type: "quantity", parse: quantityText });
}

/** Bytes, as a number or a quantity, with a default. */
export function bytesWithDefault(fallback: number, min: number): Field<number> {
  const parse = (value: unknown): Parsed<number> => {
    const quantity = quantityText(value);
    if ("expected" in quantity) return quantity;
    const bytes = Math.floor(parseQuantity(quantity.value) ?? 0);
    return Number.isSafeInteger(bytes) && bytes >= min ? { value: bytes } : { expected: `must be at least ${min} bytes` };
  };
  return field({ type: "quantity of bytes", parse, absent: (value) => isAbsent(value) || value === 0 || value === "0" }, { value: fallback });
}

function addressProblem(text: string): string | undefined {
  return parseListenAddress(text) ? undefined : 'must be an address to listen on such as ":8080" or "127.0.0.1:8080"';
}

/** An address to listen on. */
export function listenAddress(): Field<string> {
  return checkedText(addressProblem, "address");
}

/** An address to listen on that may be missing. */
export function optionalListenAddress(): OptionalField<string> {
  return optionalCheckedText(addressProblem, "address");
}

/** A rule about several members of an object. It is asked even if some of them are wrong, and must then hold. */
export interface Rule {
  /** Member that the problem is told of; "a.b" for one of a section. */
  readonly member: string;
  readonly message: string;
  holds(members: Readonly<Record<string, unknown>>): boolean;
}

/** A rule that one duration is not above another. */
export function notAbove(smaller: string, greater: string): Rule {
  return {
    member: greater,
    message: `must not be less than ${smaller}`,
    holds: (members) => !(Number(members[smaller]) > Number(members[greater])),
  };
}

/** An object with these members and no others. A missing one counts as empty, so that what it requires is told by name. */
export function section<Shape extends z.ZodRawShape>(shape: Shape, rules: readonly Rule[] = []): z.ZodType<z.output<z.ZodObject<Shape>>> {
  let object: z.ZodType<z.output<z.ZodObject<Shape>>> = z.strictObject(shape);
  for (const rule of rules) object = object.refine((value) => rule.holds(membersOf(value)), { message: rule.message, path: rule.member.split("."), when: () => true });
  return z.preprocess(emptyIfAbsent, object);
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return asObject(value) ?? {};
}

/** An object whose keys are not known beforehand. @param key what stands for them in words. */
export function entries<T>(key: string, value: Field<T>): Field<Record<string, T>> {
  const made = z.preprocess(emptyIfAbsent, z.record(z.string(), value));
  fieldNotes.add(made, { key });
  return made;
}

function emptyIfAbsent(value: unknown): unknown {
  return isAbsent(value) ? {} : value;
}
