// The API key, where the gateway asks for one. It lives in this tab's storage and goes nowhere but to this gateway.

import {at} from './dom.js';

const KEPT = 'voxmesh.key';
let key = read();
let asking = null;

function read() {
  try {
    return sessionStorage.getItem(KEPT) ?? '';
  } catch {
    return '';
  }
}

/** The headers of a request. */
export function headers() {
  return key ? {Authorization: `Bearer ${key}`} : {};
}

/** Whether requests carry a key. */
export function isGiven() {
  return key !== '';
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
    };
    at('key-cancel').onclick = () => dialog.close('');
    dialog.onclose = () => resolve(dialog.returnValue === 'given');
    dialog.returnValue = '';
  });
}

function keep(given) {
  key = given;
  try {
    sessionStorage.setItem(KEPT, given);
  } catch { /* it holds until the page is left */ }
}
