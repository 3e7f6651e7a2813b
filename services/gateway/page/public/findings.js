// What was found in the text: summary, topics, insights, entities, and the drawings.

import * as charts from './charts.js';
import {at, make} from './dom.js';
import {playFrom} from './player.js';
import {isOver} from './task.js';
import {clock, speakerName} from './text.js';

const FIRST_TOPICS = 5; // the others are of little weight

let drawn = []; // what each card was made from; it is made anew only when that is another

/** Draw what has changed since the last time. */
export function update(task) {
  const entities = task.entitiesKnown ? task.segments.filter(Boolean).flatMap(segment => segment.entities ?? []) : null;
  const cards = [
    [summary, [task.summary, isOver(task)]],
    [actions, [task.insights]],
    [questions, [task.insights]],
    [chapters, [task.insights]],
    [topics, [task.topics]],
    [phrases, [task.insights]],
    [named, [entities?.length, task.entitiesKnown]],
    [charts.speakers, [task.segments.length, task.duration]],
    [charts.sentiment, [task.insights]],
  ];
  cards.forEach(([card, from], place) => {
    if (drawn[place]?.from.every((value, index) => value === from[index])) return;
    const element = (card === named ? named(entities) : card(task)) ?? make('div', {hidden: true});
    if (drawn[place]) drawn[place].element.replaceWith(element);
    else at('findings').append(element);
    drawn[place] = {from, element};
  });
}

/** Nothing is shown any more. */
export function clear() {
  drawn = [];
  at('findings').replaceChildren();
}

function summary(task) {
  if (task.summary) return card('Summary', make('p', {class: 'prose', lang: task.language, dir: 'auto'}, task.summary));
  if (isOver(task)) return null;
  return card('Summary', make('p', {class: 'note'}, 'It is written when all of the text is there.'));
}

function topics({topics: found}) {
  if (!found?.length) return null;
  const [first, rest] = [found.slice(0, FIRST_TOPICS), found.slice(FIRST_TOPICS)];
  return card('Topics', meters(first),
    rest.length > 0 && make('details', {}, make('summary', {}, `${rest.length} more`), meters(rest)));
}

function meters(found) {
  return make('ul', {class: 'meters'}, found.map(({label, score}) => {
    const bar = make('span', {class: 'meter', 'aria-hidden': 'true'}); // the number beside it says the same
    bar.style.setProperty('--share', score);
    return make('li', {}, make('span', {dir: 'auto'}, label), bar, make('span', {class: 'number'}, `${Math.round(score * 100)} %`));
  }));
}

function actions(task) {
  const items = task.insights?.action_items ?? [];
  if (items.length === 0) return null;
  return card('To do', make('ul', {class: 'jumps'}, items.map(({text, who, due, due_date: day, segment}) => make('li', {},
    jump(task, segment),
    make('span', {dir: 'auto'}, text, (who || due) && make('small', {}, [who && speakerName(who), day ? dayOf(day) : due].filter(Boolean).join(' · ')))))));
}

function questions(task) {
  const found = task.insights?.questions ?? [];
  if (found.length === 0) return null;
  return card('Questions', make('ul', {class: 'jumps'},
    found.map(({text, segment}) => make('li', {}, jump(task, segment), make('span', {dir: 'auto'}, text)))));
}

function chapters(task) {
  const found = task.insights?.chapters ?? [];
  if (found.length < 2) return null; // one is the recording
  return card('Chapters', make('ol', {class: 'jumps'},
    found.map(({title, segment}) => make('li', {}, jump(task, segment), make('span', {dir: 'auto'}, title)))));
}

function phrases({insights}) {
  if (!insights) return null;
  const pace = insights.words_per_minute ? `${Math.round(insights.words_per_minute)} words per minute` : '';
  if (insights.key_phrases.length === 0 && !pace) return null;
  return card('Key phrases',
    make('ul', {class: 'chips'}, insights.key_phrases.map(({text}) => make('li', {dir: 'auto'}, text))),
    pace && make('p', {class: 'note'}, pace));
}

function named(entities) {
  if (!entities?.length) return null;
  const byLabel = Map.groupBy(entities, entity => entity.label);
  return card('Names, places, dates', make('dl', {class: 'entities'}, [...byLabel].map(([label, found]) => make('div', {},
    make('dt', {}, label),
    make('dd', {}, make('ul', {class: 'chips'}, counted(found).map(([text, times]) => make('li', {},
      make('mark', {'data-label': label, dir: 'auto'}, text), times > 1 && make('small', {}, ` ×\u{2009}${times}`)))))))));
}

function counted(entities) {
  return [...Map.groupBy(entities, entity => entity.text)].map(([text, found]) => [text, found.length]);
}

function jump(task, number) {
  const start = task.segments[number - 1]?.start ?? 0;
  return make('button', {type: 'button', class: 'time', 'aria-label': `Play from ${clock(start)}`,
    onclick: () => playFrom(start)}, clock(start));
}

function dayOf(day) {
  const date = new Date(`${day}T12:00`);
  return Number.isNaN(date.getTime()) ? day : date.toLocaleDateString('en', {weekday: 'short', day: 'numeric', month: 'short'});
}

function card(title, ...children) {
  return make('section', {class: 'card'}, make('h3', {}, title), children);
}
