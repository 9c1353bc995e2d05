// The request as a command for a POSIX shell.

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curlCommand(base, route, name, request) {
  // curl's -F takes a file name with commas or semicolons only inside double quotes.
  const file = `image=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  return [
    `curl -s ${quote(base + route)}`,
    `-F ${quote(/^[\w.-]+$/.test(name) ? `image=@${name}` : file)}`,
    `-F ${quote(`request=${JSON.stringify(request)}`)}`,
  ].join(" \\\n  ");
}
