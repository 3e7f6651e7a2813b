// The text: sentences as they come, with words to click and entities marked.

import {at, make} from './dom.js';
import {playFrom} from './player.js';
import {clock, speakerName, unitsOf} from './text.js';

const list = at('sentences');
let rows = []; // of each sentence: the segment as it was drawn, its element, and its words with their times
let current = null;

/** Draw what has changed since the last time. */
export function update(task) {
  const segments = task.segments.filter(Boolean);
  segments.forEach((segment, place) => {
    const row = rows[place];
    if (row?.segment === segment) return;
    const before = segments[place - 1];
    const fresh = draw(segment, {task, isTurn: speakerOf(segment) !== (before && speakerOf(before))});
    if (row) {
      const hadFocus = row.element.contains(document.activeElement);
      row.element.replaceWith(fresh.element);
      if (hadFocus) enter(fresh.button);
    } else {
      list.append(fresh.element);
    }
    rows[place] = fresh;
  });
  if (rows.length && !list.querySelector('[tabindex="0"]')) rows[0].button.tabIndex = 0;
  at('transcript-help').hidden = rows.length === 0;
}

/** Nothing is shown any more. */
export function clear() {
  rows = [];
  current = null;
  list.replaceChildren();
}

/** Mark the word that is heard at this second. */
export function follow(seconds) {
  const row = rows.findLast(each => each.segment.start <= seconds);
  const word = row?.words.findLast(each => each.start <= seconds);
  const spans = word && seconds <= row.segment.end + 0.5 ? word.spans : [];
  if (current === spans[0]) return;
  list.querySelectorAll('.heard').forEach(span => span.classList.remove('heard'));
  spans.forEach(span => span.classList.add('heard'));
  current = spans[0];
}

/** Who speaks, by name or by channel; an empty text where that is not known. */
export function speakerOf(segment) {
  if (segment.speaker) return speakerName(segment.speaker);
  return segment.channel === undefined || segment.channel === null ? '' : `Channel ${segment.channel + 1}`;
}

function draw(segment, {task, isTurn}) {
  const {spans, words} = textOf(segment);
  const button = make('button', {type: 'button', class: 'time', tabindex: '-1',
    'aria-label': `Play from ${clock(segment.start)}`}, clock(segment.start));
  button.dataset.start = segment.start;
  const element = make('li', {class: isTurn && speakerOf(segment) ? 'turn' : null},
    isTurn && speakerOf(segment) && make('p', {class: 'speaker'}, speakerOf(segment)),
    button,
    make('p', {lang: segment.language ?? task.language, class: 'said', dir: 'auto'}, spans),
    segment.translation && make('p', {lang: task.targetLanguage, class: 'translated', dir: 'auto'}, segment.translation));
  return {segment, element, button, words};
}

/** The text in pieces, cut where a word or an entity begins or ends. */
function textOf(segment) {
  const {text} = segment;
  const words = placed(text, segment);
  const entities = marked(text, segment.entities ?? []);
  const cuts = [...new Set([0, text.length, ...[...words, ...entities].flatMap(each => [each.from, each.to])])];
  cuts.sort((a, b) => a - b);
  const spans = [];
  let mark = null;
  for (let place = 0; place + 1 < cuts.length; place += 1) {
    const [from, to] = [cuts[place], cuts[place + 1]];
    const word = words.find(each => each.from <= from && to <= each.to);
    const entity = entities.find(each => each.from <= from && to <= each.to);
    const piece = word ? wordSpan(text.slice(from, to), word) : text.slice(from, to);
    if (!entity) {
      spans.push(piece);
    } else if (mark?.entity === entity) {
      mark.element.append(piece);
    } else {
      mark = {entity, element: make('mark', {'data-label': entity.label, title: entity.label}, piece)};
      spans.push(mark.element);
    }
  }
  return {spans, words};
}

function wordSpan(text, word) {
  const span = make('span', {class: 'word', tabindex: '-1'}, text);
  span.dataset.start = word.start;
  word.spans.push(span);
  return span;
}

/** Where the words of a segment are in its text. Without times of words, all of it is one. */
function placed(text, segment) {
  const words = [];
  let from = 0;
  for (const {text: said, start} of segment.words ?? []) {
    const trimmed = said.trim();
    const found = trimmed ? text.indexOf(trimmed, from) : -1;
    if (found < 0) continue;
    from = found + trimmed.length;
    words.push({from: found, to: from, start, spans: []});
  }
  return words.length ? words : [{from: 0, to: text.length, start: segment.start, spans: []}];
}

function marked(text, entities) {
  const units = unitsOf(text, entities.flatMap(entity => [entity.start, entity.end]));
  return entities.map(({label, start, end}) => ({label, from: units.get(start), to: units.get(end)}));
}

list.addEventListener('click', event => {
  const target = event.target.closest('[data-start]');
  if (!target || !getSelection().isCollapsed) return; // who selects text wants to copy it
  playFrom(Number(target.dataset.start));
});

list.addEventListener('keydown', event => {
  const row = rows.findIndex(each => each.element.contains(event.target));
  if (row < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const stops = [rows[row].button, ...rows[row].words.map(word => word.spans[0])];
  const place = stops.indexOf(event.target.closest('[data-start]'));
  const onward = () => stops[place + 1] ?? rows[row + 1]?.button;
  const back = () => stops[place - 1] ?? rows[row - 1]?.words.at(-1).spans[0];
  const isFromRight = getComputedStyle(rows[row].element.querySelector('.said')).direction === 'rtl';
  const next = {
    ArrowDown: () => rows[row + 1]?.button,
    ArrowUp: () => rows[row - 1]?.button,
    ArrowRight: isFromRight ? back : onward,
    ArrowLeft: isFromRight ? onward : back,
    Home: () => rows[0].button,
    End: () => rows.at(-1).button,
    Enter: () => event.target,
  }[event.key]?.();
  if (!next) return;
  event.preventDefault();
  if (event.key === 'Enter') playFrom(Number(next.dataset.start));
  else enter(next);
});

/** One stop of the list at a time is reached by Tab: the one that was left. */
function enter(stop) {
  list.querySelectorAll('[tabindex="0"]').forEach(each => { each.tabIndex = -1; });
  stop.tabIndex = 0;
  stop.focus();
}
