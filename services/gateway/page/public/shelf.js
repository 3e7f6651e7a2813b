// Which tasks this browser has submitted. The gateway keeps the tasks; here are only their ids, and what the recordings
// are called.

import {vault, warn} from './vault.js';

const OURS = 'voxmesh.';
const KEPT = 'voxmesh.tasks';
const OPTIONS = 'voxmesh.options';
const MOST = 50;

let last = Promise.resolve(); // one change after the other: each reads what there is, and writes it anew

/** The tasks of the key that is in use, the newest first: `{id, name, created}`. */
export async function all() {
  return entries(await vault());
}

/** Keep a task. The oldest go when there are too many. */
export function add({id, name, created}) {
  return change(kept => [{id, name, created}, ...kept.filter(entry => entry.id !== id)].slice(0, MOST));
}

/** Keep it no longer. */
export function remove(id) {
  return change(kept => kept.filter(entry => entry.id !== id));
}

/** Keep none of the key that is in use. */
export function clear() {
  return change(() => null);
}

/** What was chosen in the form last time. */
export function options() {
  try {
    return JSON.parse(localStorage.getItem(OPTIONS)) ?? {};
  } catch {
    return {};
  }
}

/** Remember what is chosen. */
export function keepOptions(chosen) {
  write(() => localStorage, OPTIONS, JSON.stringify(chosen));
}

/** Forget all that the page has ever written, of whatever key, the key itself included. */
export async function forget() {
  await last;
  for (const storage of [() => localStorage, () => sessionStorage]) {
    try {
      Object.keys(storage()).filter(name => name.startsWith(OURS)).forEach(name => storage().removeItem(name));
    } catch { /* a browser that keeps nothing */ }
  }
}

function change(how) {
  const owner = vault(); // of now: by the time it is this change's turn there may be another key
  last = last.then(async () => {
    const kept = await owner;
    await put(kept, how(await entries(kept)));
  });
  return last;
}

async function entries(owner) {
  try {
    const text = storageOf(owner)().getItem(nameOf(owner));
    const plain = text && owner.isLocked ? new TextDecoder().decode(await owner.unlock(bytesOf(text))) : text;
    return (JSON.parse(plain) ?? []).filter(entry => typeof entry?.id === 'string' && typeof entry.name === 'string');
  } catch {
    return [];
  }
}

async function put(owner, kept) {
  const plain = kept && JSON.stringify(kept);
  const text = plain && owner.isLocked ? textOf(await owner.lock(new TextEncoder().encode(plain))) : plain;
  write(storageOf(owner), nameOf(owner), text);
}

function storageOf({isLasting}) {
  return isLasting ? () => localStorage : () => sessionStorage;
}

function nameOf({mark}) {
  return mark ? `${KEPT}.${mark}` : KEPT;
}

function write(storage, name, text) {
  try {
    if (text === null) storage().removeItem(name);
    else storage().setItem(name, text);
  } catch {
    warn(); // all is there until the page is left
  }
}

function textOf(buffer) {
  return btoa(Array.from(new Uint8Array(buffer), byte => String.fromCharCode(byte)).join(''));
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;
}
