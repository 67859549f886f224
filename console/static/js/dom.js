// Elements from data: text is only ever set as text, so nothing that a sensor or a person wrote can become markup.

/** An element with attributes (`class`, `data-…`, `on…` functions) and children (elements or text). */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === "") continue;
    made.append(child);
  }
  return made;
}

/** The element with an id of the page; a missing one is an error of ours. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** What the server wrote into the page: its language and its words. */
export const setting = JSON.parse(byId("setting").textContent);

/** A word of the page, with `{name}` replaced. */
export function word(key, values = {}) {
  const text = setting.words[key];
  if (text === undefined) throw new Error(`there is no word ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
