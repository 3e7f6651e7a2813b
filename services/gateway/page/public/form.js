// What people hand in: files that they choose or drop, and what they speak; and what is to be done with it.

import {at, make, say} from './dom.js';
import {askJson} from './gateway.js';
import * as key from './key.js';
import * as microphone from './microphone.js';
import * as shelf from './shelf.js';
import {brief, clock, languageName, size} from './text.js';

const TICKS = ['insights', 'diarize', 'channels'];
const CHOICES = ['language', 'target'];

const LOOK_AGAIN_MS = 5000;

let mostBytes = Infinity;
let recording = null;
let looking = 0; // the timer of the next look at what the gateway can do

/** Take recordings from now on: `submit` gets each file, and the fields that go with it. */
export function start(submit) {
  const take = files => {
    at('refusals').replaceChildren();
    for (const file of files) if (fits(file)) submit(file, fields());
  };
  at('new').addEventListener('submit', event => event.preventDefault());
  at('new').addEventListener('change', remember);
  at('files').addEventListener('change', event => {
    take([...event.target.files]);
    event.target.value = ''; // so that the same file can be chosen again
  });
  at('enter-key').addEventListener('click', () => key.ask('This gateway asks for a key.')); // whoever hears of it looks again
  takeDrops(take);
  takeSpeech(take);
  offer();
}

/** Whether somebody is speaking: what is said is nowhere else yet. */
export function isRecording() {
  return recording !== null;
}

/** Say why a file was not taken. */
export function refuse(name, {title, detail}) {
  at('refusals').append(make('p', {class: 'notice bad'}, make('strong', {}, `${brief(name)}: ${title}. `), detail));
}

/**
 * Fill the choices with what the workers can do, and look again until all services are there. Without a key that is
 * good there is no use in looking: it is done when one is given.
 */
export async function offer() {
  clearTimeout(looking);
  let isAll = false;
  at('enter-key').hidden = true;
  try {
    const {languages, pairs, features, limits, ready} = await askJson('/audio/capabilities');
    addLanguages(at('language'), languages);
    addLanguages(at('target'), pairs.map(pair => pair.target));
    at('diarize-line').hidden = !features.diarize;
    at('channels-line').hidden = !features.channels;
    mostBytes = limits.upload_bytes;
    note(ready ? '' : 'Not all services are up yet. Recordings are taken, and wait for them.');
    isAll = ready;
  } catch (refusal) {
    note(refusal.detail ?? 'What the gateway can do could not be found out.');
    isAll = refusal.passing === false;
    at('enter-key').hidden = !['key_missing', 'key_unknown'].includes(refusal.code);
  }
  recall();
  clearTimeout(looking); // two may have looked at a time
  if (!isAll) looking = setTimeout(offer, LOOK_AGAIN_MS);
}

function addLanguages(select, codes) {
  const known = new Set(Array.from(select.options, option => option.value));
  const named = [...new Set(codes)].filter(code => !known.has(code)).map(code => [languageName(code), code]).sort(([a], [b]) => a.localeCompare(b));
  select.append(...named.map(([name, code]) => make('option', {value: code}, name)));
}

function fields() {
  const chosen = {};
  if (at('language').value) chosen.language = at('language').value;
  if (at('target').value) Object.assign(chosen, {include_translation: 'true', target_language: at('target').value});
  if (at('insights').checked) chosen.include_insights = 'true';
  if (at('diarize').checked && !at('diarize-line').hidden) chosen.diarize = 'true';
  if (at('channels').checked && !at('channels-line').hidden) chosen.channels = 'separate';
  return chosen;
}

function fits(file) {
  if (file.size <= mostBytes) return true;
  refuse(file.name, {title: 'Too large', detail: `It has ${size(file.size)}; at most ${size(mostBytes)} are taken.`});
  return false;
}

function remember() {
  const chosen = Object.fromEntries(CHOICES.map(id => [id, at(id).value]));
  for (const id of TICKS) chosen[id] = at(id).checked;
  shelf.keepOptions(chosen);
}

function recall() {
  const chosen = shelf.options();
  for (const id of CHOICES) {
    const isOffered = [...at(id).options].some(option => option.value === chosen[id]);
    if (isOffered) at(id).value = chosen[id];
  }
  for (const id of TICKS) if (typeof chosen[id] === 'boolean') at(id).checked = chosen[id];
}

function note(text) {
  at('form-note').textContent = text;
  at('form-note').hidden = !text;
}

/** Files may be dropped anywhere: nobody has to aim, and none is opened in place of the page. */
function takeDrops(take) {
  let depth = 0; // each element under the pointer tells of its own coming and going
  const show = () => document.body.classList.toggle('dropping', depth > 0);
  const holdsFiles = event => event.dataTransfer?.types.includes('Files');
  addEventListener('dragenter', event => { if (holdsFiles(event)) { depth += 1; show(); } });
  addEventListener('dragleave', event => { if (holdsFiles(event)) { depth = Math.max(0, depth - 1); show(); } });
  addEventListener('dragover', event => { if (holdsFiles(event)) event.preventDefault(); });
  addEventListener('drop', event => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    take([...event.dataTransfer.files]);
  });
}

function takeSpeech(take) {
  const button = at('record');
  const obstacle = microphone.obstacle();
  if (obstacle) {
    button.disabled = true;
    button.title = obstacle;
    return;
  }
  button.addEventListener('click', async () => {
    button.disabled = true; // until the browser has asked for the microphone, or the file is whole
    try {
      if (recording) take([await stop(button)]);
      else await begin(button);
    } catch (error) {
      refuse('Microphone', {title: 'Nothing is recorded', detail: error.message});
    } finally {
      button.disabled = false;
      button.focus();
    }
  });
}

async function begin(button) {
  const started = await microphone.record();
  const since = performance.now();
  const tick = () => { button.textContent = `Stop ${clock((performance.now() - since) / 1000)}`; };
  recording = {stop: () => started.stop(), timer: setInterval(tick, 250)};
  tick();
  button.classList.add('live');
  say('Recording');
}

async function stop(button) {
  const {stop: finish, timer} = recording;
  recording = null;
  clearInterval(timer);
  button.textContent = 'Record';
  button.classList.remove('live');
  return finish();
}
