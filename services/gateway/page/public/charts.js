// Two drawings over the time of the recording: who speaks, and how it sounds. Each says in words what it shows.

import {draw, make} from './dom.js';
import {playFrom} from './player.js';
import {clock, length} from './text.js';
import {speakerOf} from './transcript.js';

const WIDTH = 600; // of the drawing; the page makes it as wide as there is room
const ROW = 18;
const HALF = 40;

/** Who speaks when, or null where nobody is told from another. */
export function speakers(task) {
  const segments = task.segments.filter(segment => segment && speakerOf(segment));
  const names = [...new Set(segments.map(speakerOf))];
  if (names.length < 2) return null;
  const shares = names.map(name => ({name, seconds: spoken(segments, name)}));
  const total = shares.reduce((sum, share) => sum + share.seconds, 0) || 1;
  const said = shares.map(({name, seconds}) => `${name} ${length(seconds)} (${Math.round(100 * seconds / total)} %)`);
  const picture = canvas(names.length * (ROW + 6), task.duration, `Who speaks when: ${said.join(', ')}`);
  segments.forEach(segment => {
    const row = names.indexOf(speakerOf(segment));
    picture.append(bar(task, segment, {y: row * (ROW + 6), height: ROW, class: `voice voice-${row % 4}`}));
  });
  return figure('Speakers', picture, make('ul', {class: 'legend'},
    shares.map(({name}, row) => make('li', {class: `voice-${row % 4}`}, said[row].replace(name, `${name}:`)))), task);
}

/** How it sounds over time, or null where that is not known. */
export function sentiment(task) {
  const found = task.insights?.sentiment;
  if (!found?.over_time.length) return null;
  const best = found.over_time.reduce((a, b) => (b.score > a.score ? b : a));
  const worst = found.over_time.reduce((a, b) => (b.score < a.score ? b : a));
  const said = [`${capital(found.label)} as a whole (${signed(found.score)}).`,
    best.score > 0.05 && `Most positive at ${clock(best.start)}.`,
    worst.score < -0.05 && `Most negative at ${clock(worst.start)}.`].filter(Boolean).join(' ');
  const picture = canvas(2 * HALF, task.duration, `Sentiment over time. ${said}`);
  picture.append(draw('line', {x1: 0, x2: WIDTH, y1: HALF, y2: HALF, class: 'axis'}));
  found.over_time.forEach(mood => {
    const height = Math.max(Math.abs(mood.score) * (HALF - 2), 1.5);
    const y = mood.score > 0 ? HALF - height : HALF;
    picture.append(bar(task, mood, {y, height, class: mood.score < 0 ? 'mood down' : 'mood up'}));
  });
  return figure('Sentiment', picture, make('p', {}, said), task);
}

function canvas(height, duration, label) {
  const picture = draw('svg', {viewBox: `0 0 ${WIDTH} ${height}`, height, preserveAspectRatio: 'none',
    role: 'img', 'aria-label': label});
  picture.addEventListener('click', event => {
    const box = picture.getBoundingClientRect();
    playFrom(duration * (event.clientX - box.left) / box.width);
  });
  return picture;
}

function bar(task, {start, end}, attributes) {
  const scale = WIDTH / (task.duration || 1);
  return draw('rect', {x: start * scale, width: Math.max((end - start) * scale - 1, 1.5), rx: 1.5, ...attributes});
}

function figure(title, picture, legend, task) {
  return make('section', {class: 'card'}, make('h3', {}, title), make('figure', {},
    picture,
    make('div', {class: 'scale', 'aria-hidden': 'true'}, make('span', {}, '0:00'), make('span', {}, clock(task.duration))),
    make('figcaption', {}, legend)));
}

function spoken(segments, name) {
  return segments.filter(segment => speakerOf(segment) === name)
    .reduce((sum, segment) => sum + segment.end - segment.start, 0);
}

function signed(score) {
  return `${score > 0 ? '+' : score < 0 ? '−' : ''}${Math.abs(score).toFixed(2)}`;
}

function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
