// The API key of this tab: kept in sessionStorage, so closing the tab forgets it.

const NAME = "posebank-key";
const $ = (id) => document.getElementById(id);
const listeners = [];

export const key = () => sessionStorage.getItem(NAME) ?? "";
export const authorization = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

// `listener()` is told when another key holds.
export const onKey = (listener) => listeners.push(listener);

function put(text) {
  if (text) sessionStorage.setItem(NAME, text);
  else sessionStorage.removeItem(NAME);
  mark();
  for (const listener of listeners) listener();
}

function mark() {
  $("key-open").textContent = key() ? "Key in use" : "Key";
  $("key-forget").hidden = !key();
}

export function askForKey() {
  $("key-field").value = "";
  $("key-dialog").showModal();
}

export function wireKey() {
  $("key-open").addEventListener("click", askForKey);
  $("key-cancel").addEventListener("click", () => $("key-dialog").close());
  $("key-forget").addEventListener("click", () => {
    $("key-dialog").close();
    put("");
  });
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("key-form").reportValidity()) return;
    $("key-dialog").close();
    put($("key-field").value.trim());
  });
  mark();
}
