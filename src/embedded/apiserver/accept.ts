/** Which form of an answer the client wants. */
import { notAcceptable, onlyAccepted } from "./errors.ts";

/** JSON as it is, a table, or metadata alone. */
export type Form = "json" | "table" | "metadata";

/** Chooses by the Accept header: the first form that we have. Throws ApiError 406 if there is none. */
export function chooseForm(accept: string | undefined): Form {
  if (accept === undefined || accept === "application/json" || accept.trim() === "") return "json";
  for (const range of accept.split(",")) {
    const form = formOf(range.split(";").map((part) => part.trim()));
    if (form) return form;
  }
  throw /json|\*\/\*/.test(accept) ? onlyAccepted() : notAcceptable();
}

function formOf([media = "", ...parameters]: readonly string[]): Form | undefined {
  if (!["application/json", "application/*", "*/*"].includes(media)) return undefined;
  const as = parameters.find((parameter) => parameter.startsWith("as="))?.slice(3);
  if (as === undefined) return "json";
  if (!parameters.includes("v=v1") || !parameters.includes("g=meta.k8s.io")) return undefined;
  if (as === "Table") return "table";
  return as === "PartialObjectMetadata" || as === "PartialObjectMetadataList" ? "metadata" : undefined;
}
