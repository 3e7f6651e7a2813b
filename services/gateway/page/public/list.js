// The list of recordings: one line each, with how it stands.

import {at, make} from './dom.js';
import {isOver} from './task.js';

const WORDS = {
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
  gone: 'No longer kept',
  locked: 'A key is needed',
};

let handlers = {};
const rows = new Map(); // task -> its elements

/** `pick` and `remove` hear which task the person wants to see, or to see no more; `cancelAll`, that none is to go on. */
export function start(given) {
  handlers = given;
  at('cancel-all').addEventListener('click', () => handlers.cancelAll());
}

/** Draw the list, in this order. */
export function update(tasks, selected) {
  at('shelf').hidden = tasks.length === 0;
  const going = tasks.filter(task => !isOver(task)).length;
  at('cancel-all').hidden = going < 2;
  set(at('cancel-all'), `Cancel all ${going}`);
  for (const [task, row] of rows) {
    if (tasks.includes(task)) continue;
    row.item.remove();
    rows.delete(task);
  }
  tasks.forEach((task, place) => {
    if (!rows.has(task)) rows.set(task, makeRow(task));
    const row = rows.get(task);
    if (at('tasks').children[place] !== row.item) at('tasks').insertBefore(row.item, at('tasks').children[place]);
    show(row, task, task === selected);
  });
}

/** How a task stands, in a few words. */
export function standing(task) {
  return WORDS[task.state] ?? `${task.message} · ${task.progress}\u00a0%`;
}

function makeRow(task) {
  const name = make('span', {class: 'name', dir: 'auto'}, task.name);
  const state = make('span', {class: 'state'});
  const bar = make('progress', {max: 100, 'aria-hidden': 'true'});
  const pick = make('button', {type: 'button', class: 'pick', onclick: () => handlers.pick(task)}, name, state, bar);
  const remove = make('button', {type: 'button', class: 'quiet remove', onclick: () => handlers.remove(task)}, '×');
  return {item: make('li', {}, pick, remove), name, state, bar, pick, remove};
}

function show({item, name, state, bar, pick, remove}, task, isSelected) {
  set(name, task.name);
  name.title = task.name; // all of it, where there is no room
  set(state, standing(task));
  bar.value = task.progress;
  bar.hidden = isOver(task);
  item.className = `is-${task.state}`;
  pick.setAttribute('aria-current', String(isSelected));
  const isUpload = task.state === 'uploading';
  remove.hidden = !isUpload && !isOver(task);
  remove.setAttribute('aria-label', isUpload ? `Stop sending ${task.name}` : `Remove ${task.name} from the list`);
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
