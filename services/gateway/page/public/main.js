// The page: recordings go to the gateway, events come back, and what has changed is drawn.

import {at, say} from './dom.js';
import {Feed} from './feed.js';
import * as form from './form.js';
import {askJson, backOff} from './gateway.js';
import * as key from './key.js';
import * as list from './list.js';
import * as recordings from './recordings.js';
import * as shelf from './shelf.js';
import {apply, applyResult, applyState, isOver, newTask} from './task.js';
import {size} from './text.js';
import {Stopped, upload} from './upload.js';
import * as view from './view.js';

const UPLOADS = 2; // at a time: more would not be faster, and the stream needs a connection, too

let tasks = []; // the newest first
let selected = null;
let isDrawn = true;
const waiting = []; // uploads that have not begun
let uploading = 0;
let keys = 0; // how often the key has changed
let isForgetting = false;
const otherTabs = new BroadcastChannel('voxmesh');

const feed = new Feed({
  event(event) {
    const task = byId(event.task_id);
    if (!task) return;
    apply(task, event);
    if (task === selected) say(event.partial_result?.segment?.text ?? event.error?.message ?? event.message);
    redraw();
  },
  lost(id, refusal) {
    lose(byId(id), refusal);
  },
  connected(isConnected) {
    at('connection').textContent = isConnected ? '' : 'The connection is lost. Work goes on; trying to come back …';
  },
});

function byId(id) {
  return tasks.find(task => task.id === id);
}

/** Draw soon: many events of a moment are one drawing. */
function redraw() {
  if (!isDrawn) return;
  isDrawn = false;
  setTimeout(() => {
    isDrawn = true;
    list.update(tasks, selected);
    view.update(selected);
  }, 16);
}

function select(task) {
  selected = task;
  history.replaceState(null, '', task && !task.file ? `#${task.id}` : location.pathname);
  if (task) complete(task);
  redraw();
}

/** The same, and bring it into sight where it is below the list. */
function pick(task) {
  select(task);
  if (at('task').getBoundingClientRect().top > innerHeight * 0.8) at('task').scrollIntoView();
}

/** Fetch what there is of a task that had ended before the page was opened. */
async function complete(task) {
  if (task.state !== 'completed' || task.summary !== undefined || task.isFetching) return;
  task.isFetching = true;
  const result = await persist(task, `/audio/tasks/${task.id}/result`);
  task.isFetching = false;
  if (result) applyResult(task, result);
  redraw();
}

function submit(file, fields) {
  const task = newTask('', file.name);
  Object.assign(task, {state: 'uploading', message: 'Waiting to be sent', file, stop: new AbortController()});
  tasks = [task, ...tasks];
  waiting.push(() => send(task, fields));
  pick(task);
  next();
}

async function next() {
  if (uploading >= UPLOADS || waiting.length === 0) return;
  uploading += 1;
  await waiting.shift()();
  uploading -= 1;
  next();
}

async function send(task, fields) {
  const {file, stop} = task;
  const told = share => {
    task.message = `Sending ${size(file.size)}`;
    task.progress = Math.round(share * 100);
    redraw();
  };
  try {
    const {task_id: id, links} = await upload(file, fields, {told, signal: stop.signal});
    const {name, created} = task;
    await shelf.add({id, name, created}); // until then, the page is not left without a question
    Object.assign(task, {id, state: 'queued', message: 'Waiting for a free worker', progress: 0, file: null, keys});
    recordings.keep(id, file);
    feed.watch(id, links.events);
    if (task === selected) select(task);
  } catch (problem) {
    drop(task);
    if (!(problem instanceof Stopped)) form.refuse(file.name, problem);
  }
  redraw();
}

async function cancel(task) {
  if (task.file) return task.stop.abort();
  view.complain();
  try {
    await end(task);
    at('task').focus(); // the button is about to go
  } catch (refusal) {
    if (task === selected) view.complain('Not cancelled', refusal.detail ?? 'The answer could not be read.');
  }
}

/** All that is being sent, waits or is at work. What ends by itself meanwhile is no trouble. */
async function cancelAll() {
  view.complain();
  at('task').focus(); // the button is about to go
  const going = tasks.filter(task => !isOver(task));
  for (const task of going) task.stop?.abort();
  const ends = await Promise.allSettled(going.filter(task => !task.file).map(end));
  const refusals = ends.map(each => each.reason).filter(refusal => refusal && refusal.code !== 'task_finished');
  if (refusals.length === 0) return say('All are cancelled');
  view.complain(`Not cancelled: ${refusals.length}`, refusals[0].detail ?? 'The answer could not be read.');
}

/** Its stream tells the rest. */
function end(task) {
  return askJson(`/audio/tasks/${task.id}`, {method: 'DELETE'});
}

function remove(task) {
  if (task.file) return task.stop.abort();
  feed.forget(task.id);
  shelf.remove(task.id);
  recordings.remove(task.id);
  drop(task);
  at('task').focus(); // the button is gone
}

function drop(task) {
  const place = tasks.indexOf(task);
  tasks = tasks.filter(each => each !== task);
  if (task === selected) select(tasks[Math.min(place, tasks.length - 1)] ?? null);
  redraw();
}

function lose(task, refusal) {
  if (!task) return;
  task.state = refusal.status === 401 || refusal.status === 403 ? 'locked' : 'gone';
  task.error = {message: refusal.detail};
  redraw();
}

/** Find out how a task from an earlier visit stands, however long the gateway is away. */
async function recall(task) {
  const state = await persist(task, `/audio/tasks/${task.id}`);
  if (!tasks.includes(task)) return;
  if (state) {
    if (state.state === 'queued' || state.state === 'running') feed.watch(task.id, state.links.events);
    applyState(task, state);
  }
  if (task === selected) complete(task);
  redraw();
}

/** The answer, asked for until it comes or the task is removed; null where it is a refusal, by which the task is lost. */
async function persist(task, path) {
  for (let attempt = 0; tasks.includes(task); attempt += 1) {
    try {
      return await askJson(path);
    } catch (refusal) {
      if (!refusal.passing) {
        lose(task, refusal);
        return null;
      }
      await backOff(attempt, refusal.retryAfter);
    }
  }
  return null;
}

/** What has been submitted from this browser under the key, and what the address names, if that is another. */
async function restore() {
  const asked = keys;
  const kept = await shelf.all();
  if (asked !== keys) return; // there is another key by now
  leave(task => task.file || task.keys === keys);
  const fresh = kept.filter(({id}) => !byId(id)).map(({id, name, created}) => newTask(id, name, created));
  tasks = [...tasks, ...fresh];
  const named = location.hash.slice(1);
  if (/^[\w-]{8,}$/.test(named) && !byId(named)) {
    fresh.push(newTask(named, 'Recording'));
    tasks.unshift(fresh.at(-1));
  }
  recordings.removeOthers(id => byId(id) !== undefined);
  select(selected ?? byId(named) ?? tasks[0] ?? null);
  fresh.forEach(recall);
}

/** Show no more of the tasks than those that stay. */
function leave(stays) {
  tasks.filter(task => !stays(task)).forEach(task => feed.forget(task.id));
  tasks = tasks.filter(stays);
  if (!tasks.includes(selected)) selected = null;
  redraw();
}

/** Have this browser as it was before the first visit. */
async function forget() {
  isForgetting = true;
  tasks.filter(task => task.file).forEach(task => task.stop.abort());
  await Promise.all([shelf.forget(), recordings.forget()]);
  location.replace(location.pathname);
}

document.querySelector('.skip').addEventListener('click', event => {
  event.preventDefault(); // the address names the task
  at('task').focus();
});
addEventListener('hashchange', () => location.reload()); // somebody has put in the address of another task
addEventListener('beforeunload', event => {
  if (isForgetting) return;
  if (form.isRecording() || tasks.some(task => task.file)) event.preventDefault(); // what is not there yet would be lost
});
at('forget').addEventListener('click', () => {
  at('forgetting').returnValue = '';
  at('forgetting').showModal();
});
at('forgetting').addEventListener('close', () => {
  if (at('forgetting').returnValue !== 'forget') return;
  otherTabs.postMessage('forget');
  forget();
});
otherTabs.addEventListener('message', forget);
key.start({
  lost() { // whoever has given it may not see what others have kept, and nobody can any more what it has locked
    shelf.clear();
    recordings.clear();
    leave(task => task.file);
  },
  given() {
    keys += 1;
    restore();
    form.offer();
  },
});
list.start({pick, remove, cancelAll});
view.start({cancel});
form.start(submit);
restore();
