/** Where a part connects to, as it comes from its parent. */
import { z } from "zod";

const text = z.string().optional();

export const endpointSchema = z.object({ host: z.string(), port: z.number(), tls: z.object({ ca: text, cert: text, key: text }).optional() });
