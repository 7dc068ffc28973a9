/** Lines of authorized_keys files. */

/** Longest line that is looked at; OpenSSH takes 8 KiB, of which a key of 16,384 bits fills a third. */
const maxLine = 16 * 1024;
const keyType = /^[a-z0-9][a-z0-9@.-]*$/;
const base64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$|^(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/;

/**
 * Whether a text is one line with a public key, as sshd(8) has it: options perhaps, type, key in base64, a comment perhaps. The key must be of the type that the line names;
 * whether it is a good one only a client's login can show.
 */
export function isAuthorizedKey(text: string): boolean {
  const line = text.trim();
  if (line.length > maxLine || line.startsWith("#") || /[\n\r\0]/.test(line)) return false;
  return isKey(line) || isKey(withoutOptions(line));
}

function isKey(line: string): boolean {
  const [type = "", key = ""] = line.split(/[ \t]+/, 2);
  if (!keyType.test(type) || !base64.test(key)) return false;
  const blob = Buffer.from(key, "base64");
  // The key's own first field is its type again, with its length before it.
  const length = Buffer.byteLength(type);
  return blob.length > 4 + length && blob.readUInt32BE(0) === length && blob.toString("latin1", 4, 4 + length) === type;
}

/** Options end at the first blank outside of quotes. */
function withoutOptions(line: string): string {
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const character = line[i];
    if (character === "\\" && line[i + 1] === '"') i++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === " " || character === "\t")) return line.slice(i).trimStart();
  }
  return "";
}
