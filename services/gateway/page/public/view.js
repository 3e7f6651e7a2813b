// The task that is being looked at.

import {at, make} from './dom.js';
import * as findings from './findings.js';
import {ask} from './gateway.js';
import * as key from './key.js';
import {standing} from './list.js';
import * as player from './player.js';
import {isOver} from './task.js';
import {brief, clock, languageName, stem} from './text.js';
import * as transcript from './transcript.js';

const FORMATS = {txt: 'Text', srt: 'SRT', vtt: 'WebVTT', tsv: 'Table'};
const TITLES = {failed: 'It did not work.', cancelled: 'Cancelled.', expired: 'Expired.', gone: 'No longer kept.', locked: 'A key is needed.'};

let shown = null;

/** `cancel` hears of which task the person has had enough. */
export function start({cancel}) {
  at('cancel').addEventListener('click', () => cancel(shown));
  at('show-translation').addEventListener('change', event => {
    at('sentences').classList.toggle('original-only', !event.target.checked);
  });
  player.onTime(transcript.follow);
}

/** Show this task; null shows none. */
export function update(task) {
  if (task !== shown) clear();
  shown = task;
  at('welcome').hidden = task !== null;
  at('shown').hidden = task === null;
  at('task').setAttribute('aria-labelledby', task ? 'task-title' : 'welcome-title');
  document.title = titleOf(task);
  if (task === null) return;
  head(task);
  troubles(task);
  transcript.update(task);
  findings.update(task);
  downloads(task);
  player.show(task.file ? null : task.id); // while it is being sent it has no id
}

function clear() {
  transcript.clear();
  findings.clear();
  at('downloads').replaceChildren();
  at('trouble').replaceChildren();
}

function titleOf(task) {
  if (!task) return 'voxmesh';
  return `${isOver(task) ? '' : `${task.progress} % · `}${task.name} · voxmesh`;
}

function head(task) {
  set('task-title', task.name);
  at('task-title').title = task.name;
  set('task-facts', [
    task.language && languageName(task.language),
    task.targetLanguage && `translated into ${languageName(task.targetLanguage)}`,
    task.duration && clock(task.duration),
    new Date(task.created).toLocaleString('en', {dateStyle: 'medium', timeStyle: 'short'}),
  ].filter(Boolean).join(' · '));
  const isAtWork = !isOver(task);
  at('progress').hidden = !isAtWork;
  at('bar').value = task.progress;
  set('step', standing(task));
  at('translation-line').hidden = !task.segments.some(segment => segment?.translation);
  const isEmpty = !task.segments.some(Boolean);
  at('transcript-empty').hidden = !isEmpty;
  at('transcript-empty').classList.toggle('waiting', isAtWork || task.isFetching);
  set('transcript-empty', isAtWork ? 'The first words appear here in a moment.'
    : task.isFetching ? 'The text is being fetched.'
    : task.state === 'locked' ? 'The text is there for whoever has the key.'
    : task.state === 'completed' ? 'Nobody speaks in this recording.' : 'There is no text.');
}

function troubles(task) {
  const title = TITLES[task.state];
  at('task-error').hidden = !title;
  at('task-error').classList.toggle('bad', task.state !== 'cancelled');
  const detail = task.error?.message ?? '';
  if (title && at('task-error').textContent !== `${title} ${detail}`) {
    at('task-error').replaceChildren(make('strong', {}, title), ` ${detail}`);
  } else if (!title) {
    at('task-error').replaceChildren();
  }
  at('warnings').hidden = task.warnings.length === 0;
  if (at('warnings').children.length !== task.warnings.length) {
    at('warnings').replaceChildren(...task.warnings.map(({message}) => make('li', {class: 'notice'}, message)));
  }
}

function downloads(task) {
  const isDone = task.state === 'completed';
  at('downloads').hidden = !isDone;
  const isShown = at('downloads').dataset.language === String(task.targetLanguage);
  if (!isDone || (isShown && at('downloads').hasChildNodes())) return;
  at('downloads').dataset.language = task.targetLanguage;
  at('downloads').replaceChildren(row('Transcript', task, false));
  if (task.targetLanguage) at('downloads').append(row('Translation', task, true));
}

function row(title, task, isTranslated) {
  const formats = Object.entries(isTranslated ? FORMATS : {...FORMATS, json: 'All data'});
  return make('div', {}, make('dt', {}, title),
    formats.map(([format, name]) => make('dd', {}, link(task, {format, name, title, isTranslated}))));
}

function link(task, {format, name, title, isTranslated}) {
  const query = `format=${format}${isTranslated ? '&translated=true' : ''}`;
  const address = `/audio/tasks/${encodeURIComponent(task.id)}/result?${query}`;
  const anchor = make('a', {href: address, download: '', 'aria-label': `Download ${title.toLowerCase()}: ${name}`}, name);
  anchor.addEventListener('click', event => {
    if (!key.isGiven()) return; // the browser fetches it by itself
    event.preventDefault();
    save(address, `${stem(task.name)}${isTranslated ? `.${task.targetLanguage}` : ''}.${format}`);
  });
  return anchor;
}

/** Say what could not be done with the task that is shown; without a title, that nothing is in the way any more. */
export function complain(title = '', detail = '') {
  const told = title ? [make('p', {class: 'notice bad'}, make('strong', {}, `${title}. `), detail)] : [];
  at('trouble').replaceChildren(...told);
}

/** A link cannot carry a key: fetch the file with it, and hand it to the browser. */
async function save(address, name) {
  complain();
  try {
    const blob = await (await ask(address)).blob();
    const anchor = make('a', {href: URL.createObjectURL(blob), download: name});
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
  } catch (problem) {
    const detail = problem.detail ?? 'The browser could not take it whole: it may have no room.';
    complain(`${brief(name)}: Not downloaded`, detail);
  }
}

function set(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}
