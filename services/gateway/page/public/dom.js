// Making and finding elements. Text becomes text nodes, never markup, wherever it comes from.

const SVG = 'http://www.w3.org/2000/svg';

/** The element with this id; the page has all that the modules ask for. */
export function at(id) {
  return document.getElementById(id);
}

/** An element with attributes and children, which are elements or text; null and false are left out. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for what is drawn. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Have a screen reader say `text` when it has finished what it is saying. */
export function say(text) {
  at('said').textContent = text;
}
