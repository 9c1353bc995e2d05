// The question as a command for a POSIX shell.

const KEY = "$POSEBANK_KEY";
const $ = (id) => document.getElementById(id);

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// A key is never written out: the command takes it from the environment.
export function curlCommand(base, route, name, request, locked) {
  // curl's -F takes a file name with commas or semicolons only inside double quotes.
  const file = `image=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  return [
    `curl -s ${quote(base + route)}`,
    ...(locked ? [`-H "Authorization: Bearer ${KEY}"`] : []),
    `-F ${quote(/^[\w.-]+$/.test(name) ? `image=@${name}` : file)}`,
    `-F ${quote(`request=${JSON.stringify(request)}`)}`,
  ].join(" \\\n  ");
}

export function wireCopy() {
  $("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($("curl-text").textContent);
      $("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($("curl-text")); // without a secure context: ready for Ctrl+C
      $("copy").textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => ($("copy").textContent = "Copy"), 2000);
  });
}
