// Which tasks this browser has submitted. The gateway keeps the tasks; here are only their ids.

const KEPT = 'voxmesh.tasks';
const OPTIONS = 'voxmesh.options';
const MOST = 50;

/** The tasks, the newest first: `{id, name, created}`. */
export function all() {
  return read(KEPT, []).filter(entry => typeof entry?.id === 'string' && typeof entry.name === 'string');
}

/** Keep a task. The oldest go when there are too many. */
export function add({id, name, created}) {
  write(KEPT, [{id, name, created}, ...all().filter(entry => entry.id !== id)].slice(0, MOST));
}

/** Keep it no longer. */
export function remove(id) {
  write(KEPT, all().filter(entry => entry.id !== id));
}

/** What was chosen in the form last time. */
export function options() {
  return read(OPTIONS, {});
}

/** Remember what is chosen. */
export function keepOptions(chosen) {
  write(OPTIONS, chosen);
}

function read(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch { /* a browser that keeps nothing: all is there until the page is left */ }
}
