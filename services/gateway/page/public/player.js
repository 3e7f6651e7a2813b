// The recording, heard from any word.

import {at} from './dom.js';
import * as recordings from './recordings.js';

const audio = at('audio');
let shown = null; // the id of the task whose recording is in the player
let address = '';

/** Put the recording of a task into the player; what is not there can be chosen again. Null is none. */
export async function show(id) {
  if (shown === id) return;
  shown = id;
  clear();
  if (id === null) return;
  const blob = await recordings.find(id);
  if (shown === id) blob ? load(blob) : lack(true);
}

/** Whether there is something to hear. */
export function isLoaded() {
  return address !== '';
}

/** Play from this second on. */
export async function playFrom(seconds) {
  if (!isLoaded()) return;
  audio.currentTime = seconds;
  try {
    await audio.play();
  } catch { /* it was stopped again, or cannot be decoded here: the player itself says so */ }
}

/** `tell` hears the second that is being played, often. */
export function onTime(tell) {
  audio.addEventListener('timeupdate', () => tell(audio.currentTime));
}

function clear() {
  audio.pause();
  audio.removeAttribute('src');
  audio.load();
  audio.hidden = true;
  lack(false);
  if (address) URL.revokeObjectURL(address);
  address = '';
}

function lack(isLacking) {
  at('no-audio').hidden = !isLacking;
  document.body.classList.toggle('silent', isLacking);
}

function load(blob) {
  address = URL.createObjectURL(blob);
  audio.src = address;
  audio.hidden = false;
  lack(false);
}

// What a browser records has no length in its header. It is found by going to the end, which is far away at first.
audio.addEventListener('loadedmetadata', () => {
  if (audio.duration !== Infinity) return;
  audio.addEventListener('durationchange', () => { audio.currentTime = 0; }, {once: true});
  audio.currentTime = 1e7;
});

at('again').addEventListener('change', event => {
  const [file] = event.target.files;
  if (!file || shown === null) return;
  recordings.keep(shown, file);
  clear();
  load(file);
  event.target.value = '';
});
