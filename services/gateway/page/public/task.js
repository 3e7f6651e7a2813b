// What the page knows of one task, and how each event changes it. Nothing here touches the page.

const ENDS = new Set(['completed', 'failed', 'cancelled', 'expired']);

/** A task of which nothing is known but its id and what the file was called. */
export function newTask(id, name, created = new Date().toISOString()) {
  return {
    id, name, created,
    state: 'queued', // the gateway's states, and this page's: 'uploading', 'locked' without a key, 'gone'
    progress: 0,
    message: 'Waiting',
    segments: [], // by their number - 1
    duration: 0,
    language: null,
    targetLanguage: null,
    topics: null, // null is: not known yet
    summary: undefined, // undefined is: not known yet, null: there is none
    insights: undefined,
    entitiesKnown: false,
    isFetching: false, // its result, after it has ended
    warnings: [],
    error: null,
  };
}

/** Whether the task has ended, in whatever way. */
export function isOver(task) {
  return ENDS.has(task.state) || task.state === 'locked' || task.state === 'gone';
}

/** Change `task` by an event of its stream. An event that comes twice changes nothing the second time. */
export function apply(task, event) {
  if (isOver(task)) return;
  task.state = ENDS.has(event.step) ? event.step : event.step === 'queued' ? 'queued' : 'running';
  task.progress = event.progress;
  task.message = event.message;
  for (const warning of event.warnings ?? []) warn(task, warning);
  if (event.error) task.error = event.error;
  if (event.partial_result) PARTIAL[event.step]?.(task, event.partial_result);
}

/** Change `task` by what `GET /audio/tasks/{id}` says of it. */
export function applyState(task, state) {
  task.state = state.state;
  task.progress = state.progress;
  task.name = state.name || task.name;
  task.created = state.created;
  task.error = state.error;
}

/** Change `task` by its whole result. */
export function applyResult(task, result) {
  task.state = 'completed';
  task.progress = 100;
  task.segments = [...result.segments];
  task.duration = result.duration;
  task.language = result.language;
  task.targetLanguage = result.translation === null ? null : result.target_language;
  task.topics = result.topics;
  task.summary = result.summary;
  task.insights = result.insights;
  task.entitiesKnown = true;
  for (const warning of result.warnings) warn(task, warning);
}

const PARTIAL = {
  transcription: (task, {segment}) => put(task, segment),
  transcription_complete: (task, {segments, language, duration}) => {
    segments.forEach(segment => put(task, segment));
    Object.assign(task, {language, duration});
  },
  translation: (task, {segment}) => put(task, segment),
  translation_complete: (task, partial) => {
    task.targetLanguage = partial.translation === null ? null : partial.target_language;
  },
  ner_complete: (task, {entities}) => {
    task.entitiesKnown = true;
    const bySegment = Map.groupBy(entities, entity => entity.segment);
    for (const [number, found] of bySegment) {
      const segment = task.segments[number - 1];
      if (segment) put(task, {...segment, entities: found});
    }
  },
  classification_complete: (task, {topics}) => { task.topics = topics; },
  summarization_complete: (task, {summary}) => { task.summary = summary; },
  insights_complete: (task, {insights}) => { task.insights = insights; },
  completed: applyResult,
};

/** A segment takes the place of what was known of it: later stages know more. */
function put(task, segment) {
  task.segments[segment.index - 1] = segment;
  task.duration = Math.max(task.duration, segment.end);
}

function warn(task, warning) {
  const isKnown = task.warnings.some(known => known.code === warning.code && known.message === warning.message);
  if (!isKnown) task.warnings.push(warning);
}
