// Which screen the address names: #/gallery?category=cup is the gallery, of cups.

const NAMES = ["ask", "gallery", "enrol", "map"];
const listeners = [];

export function route() {
  const [name, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: NAMES.includes(name) ? name : "ask", params: Object.fromEntries(new URLSearchParams(query)) };
}

export function address(name, params = {}) {
  const set = Object.entries(params).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = new URLSearchParams(set).toString();
  return `#/${name}${query ? `?${query}` : ""}`;
}

// `listener(name, params)` is told of the screen now and whenever it changes.
export function onRoute(listener) {
  listeners.push(listener);
  listener(route().name, route().params);
}

const tell = () => {
  const { name, params } = route();
  for (const listener of listeners) listener(name, params);
};

// As if a link had been followed; `replace` leaves no step to go back to.
export function go(name, params, replace = false) {
  if (!replace) {
    location.hash = address(name, params);
    return;
  }
  history.replaceState(null, "", address(name, params));
  tell();
}

window.addEventListener("hashchange", tell);
