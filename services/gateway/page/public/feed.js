// The events of all tasks that are at work, over one stream.
//
// The browser comes back by itself when a connection breaks, and tells the gateway what it has had. What is done here
// is what it does not do: open the stream anew when a task is added, when a link has run out, or when the gateway
// answered with an error, upon which an EventSource gives up.

import {askJson, backOff} from './gateway.js';
import * as key from './key.js';

const MOST = 50; // on one stream: the gateway takes no more
const GATHER_MS = 30; // tasks that are added at about the same time go into one new stream

export class Feed {
  #watched = new Map(); // id -> the token of its link, where keys are asked for
  #source = null;
  #lastId = '';
  #timer = 0;
  #attempt = 0;
  #handlers;

  /** `event` hears each event, `lost` of a task that cannot be watched and why, `connected` true and false. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Watch a task from its start. `link` is its own stream, as the gateway names it. */
  watch(id, link) {
    this.#watched.set(id, tokenOf(link));
    this.#openSoon();
  }

  /** Stop watching. */
  forget(id) {
    if (this.#watched.delete(id) && this.#watched.size === 0) this.#close();
  }

  #openSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), GATHER_MS);
  }

  #open() {
    this.#close();
    const watched = [...this.#watched].slice(0, MOST);
    if (watched.length === 0) return;
    const query = new URLSearchParams(watched.map(([id]) => ['task_id', id]));
    for (const [, token] of watched) if (token) query.append('token', token);
    if (this.#lastId) query.append('last_event_id', this.#lastId);
    const source = this.#source = new EventSource(`/audio/events?${query}`);
    source.onopen = () => this.#connected();
    source.onmessage = message => this.#hear(message);
    source.onerror = () => this.#broken(source);
  }

  #connected() {
    this.#attempt = 0;
    this.#handlers.connected(true);
  }

  #hear(message) {
    this.#lastId = message.lastEventId;
    const event = JSON.parse(message.data);
    this.#handlers.event(event);
    if (!['completed', 'failed', 'cancelled', 'expired'].includes(event.step)) return;
    const isCrowded = this.#watched.size > MOST;
    this.forget(event.task_id);
    if (isCrowded) this.#openSoon();
  }

  async #broken(source) {
    if (source !== this.#source) return;
    this.#handlers.connected(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
    await backOff(this.#attempt++);
    if (source !== this.#source) return;
    try {
      await this.#renew();
      this.#openSoon();
    } catch {
      this.#broken(source); // not even a question is answered: later, then
    }
  }

  /** New links for all tasks; those that are no more are given up. */
  async #renew() {
    await Promise.all([...this.#watched.keys()].map(async id => {
      try {
        const state = await askJson(`/audio/tasks/${id}`);
        if (this.#watched.has(id)) this.#watched.set(id, tokenOf(state.links.events));
      } catch (refusal) {
        if (refusal.passing) throw refusal;
        this.forget(id);
        this.#handlers.lost(id, refusal);
      }
    }));
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#handlers.connected(true);
  }
}

/** What makes the link good without a key, which an EventSource cannot send. */
function tokenOf(link) {
  return key.isGiven() ? new URL(link, location.origin).searchParams.get('token') : null;
}
