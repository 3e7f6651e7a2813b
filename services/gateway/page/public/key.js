// The API key, where the gateway asks for one. It lives in this tab's storage and goes nowhere but to this gateway.

import {at} from './dom.js';

const KEPT = 'voxmesh.key';
let key = read();
let asking = null;
let told = {lost() {}, given() {}};

/** `lost` hears that the gateway refuses the key, while it is still in use; `given` that there is another. */
export function start(handlers) {
  told = handlers;
}

function read() {
  try {
    return sessionStorage.getItem(KEPT) ?? '';
  } catch {
    return '';
  }
}

/** The key; an empty text where there is none. */
export function current() {
  return key;
}

/** The headers of a request. */
export function headers() {
  return key ? {Authorization: `Bearer ${key}`} : {};
}

/** Whether requests carry a key. */
export function isGiven() {
  return key !== '';
}

/** Use this key no longer: the gateway does not know it. */
export function lose() {
  told.lost();
  keep('');
}

/**
 * Ask the person for a key, for this reason. Several requests that are refused at a time ask once. Answers whether
 * there is one now.
 */
export function ask(reason) {
  asking ??= show(reason).finally(() => { asking = null; });
  return asking;
}

function show(reason) {
  const dialog = at('key');
  at('key-reason').textContent = reason;
  at('key-field').value = '';
  dialog.showModal();
  return new Promise(resolve => {
    at('key-form').onsubmit = event => {
      event.preventDefault();
      keep(at('key-field').value.trim());
      dialog.close('given');
      told.given();
    };
    at('key-cancel').onclick = () => dialog.close('');
    dialog.onclose = () => resolve(dialog.returnValue === 'given');
    dialog.returnValue = '';
  });
}

function keep(given) {
  key = given;
  try {
    if (given) sessionStorage.setItem(KEPT, given);
    else sessionStorage.removeItem(KEPT);
  } catch { /* it holds until the page is left */ }
}
