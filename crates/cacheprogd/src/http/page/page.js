'use strict';
// Draws the data. The figures are words already: nothing is rounded here. Texts become text nodes: names of builds are no HTML.
const data = JSON.parse(document.getElementById('data').textContent);
const at = id => document.getElementById(id);
const svgSpace = at('saved').namespaceURI;

function el(parent, name, text, attributes) {
  const child = document.createElementNS(name === 'svg' ? svgSpace : parent.namespaceURI, name);
  for (const key in attributes || {}) child.setAttribute(key, attributes[key]);
  if (text !== undefined && text !== null) child.textContent = text;
  return parent.appendChild(child);
}

// Times are in the time zone and the form of the reader.
const form = options => new Intl.DateTimeFormat(undefined, options);
const minutes = { hour: '2-digit', minute: '2-digit' };
const clock = form(minutes), day = form({ month: 'short', day: 'numeric' });
const long = form({ year: 'numeric', month: 'short', day: 'numeric', timeZoneName: 'short', ...minutes });
const local = (format, seconds) => format.format(new Date(seconds * 1000));
function time(parent, format, seconds) {
  return el(parent, 'time', local(format, seconds), { datetime: new Date(seconds * 1000).toISOString(), title: local(long, seconds) });
}

// A row of a list: a label, a bar and a value. Returns the label and the bar, which is 1000 wide and 10 high. What the bar shows
// stands beside it in words.
function row(list, value, note) {
  const line = el(list, 'li');
  const label = el(line, 'span', null, { class: 'label' });
  const bar = el(line, 'svg', null, { class: 'bar', viewBox: '0 0 1000 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  el(line, 'span', value, { class: 'value' });
  if (note) el(line, 'span', note, { class: 'note' });
  return { label, bar };
}
const part = (bar, from, width, kind) => el(bar, 'rect', null, { x: from, y: 0, width: Math.max(width, 2), height: 10, class: kind });

function rows(id, bars, kind, empty) {
  for (const one of bars) {
    const { label, bar } = row(at(id), one.text, one.note);
    el(label, 'b', one.label);
    if (one.id) { label.append(' '); el(label, 'code', one.id); }
    if (one.share === null) bar.remove();
    else if (one.share > 0) part(bar, 0, one.share * 1000, one.is_bad ? 'bad' : kind);
  }
  if (!bars.length) el(at(id), 'li', empty, { class: 'empty' });
}

function findings(list, some) {
  for (const one of some) {
    const line = el(list, 'li', null, { class: one.level });
    el(line, 'b', one.level, { class: 'level' });
    line.append(' ' + one.what + ': ' + one.found);
    if (one.fix) el(line, 'span', 'Fix: ' + one.fix, { class: 'fix' });
  }
}

function spans() {
  for (const span of data.spans) {
    const box = el(at('spans'), 'section', null, { 'aria-label': 'Compile time saved ' + span.when });
    el(box, 'p', span.saved, { class: 'big' });
    el(box, 'p', 'compile time saved ' + span.when);
    el(box, 'span', span.packages, { class: 'value' });
    const bar = el(box, 'svg', null, { class: 'bar', viewBox: '0 0 1000 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    if (span.share > 0) part(bar, 0, span.share * 1000, 'served');
    el(box, 'p', span.text, { class: 'hint' });
  }
}

// The frame of a chart over the steps: a base line, the highest value in words, the times of both ends. Returns how to place a step and a
// height.
const left = 2, right = 338, upper = 18, lower = 112;
function frame(id, words, highest) {
  const svg = at(id), steps = data.steps, format = data.step_seconds < 86400 ? clock : day;
  const title = at(id + '-title');
  title.textContent += ' by ' + data.step_words;
  if (!steps.length) {
    el(svg, 'text', 'The next build draws this.', { x: left, y: 64 });
    svg.setAttribute('aria-label', title.textContent + ': nothing yet');
    return null;
  }
  const first = steps[0].at, last = steps[steps.length - 1].at;
  const slots = Math.max((last - first) / data.step_seconds + 1, 6), width = (right - left) / slots;
  const top = steps.reduce((a, b) => highest(b) > highest(a) ? b : a);
  el(svg, 'line', null, { x1: left, x2: right, y1: upper, y2: upper, 'stroke-dasharray': '2 4' });
  el(svg, 'line', null, { x1: left, x2: right, y1: lower, y2: lower });
  el(svg, 'text', words(top), { x: right, y: upper - 5, 'text-anchor': 'end' });
  el(svg, 'text', local(format, first), { x: left, y: 127 });
  if (last > first) {
    const x = left + width * ((last - first) / data.step_seconds + 1);
    const anchor = x - left > 120 ? 'end' : 'start';
    if (x - left > 80) el(svg, 'text', local(format, last), { x: anchor === 'end' ? x : x - width, y: 127, 'text-anchor': anchor });
  }
  const texts = steps.slice(-10).map(step => local(format, step.at) + ': ' + words(step));
  svg.setAttribute('aria-label', title.textContent + '. ' + texts.join('; '));
  const high = highest(top) || 1;
  return {
    svg, steps, width,
    x: step => left + width * (step.at - first) / data.step_seconds,
    y: value => lower - (lower - upper) * value / high,
    tell: (shape, step) => el(shape, 'title', local(format, step.at) + ': ' + words(step)),
  };
}

function columns(id, words, kinds) {
  const chart = frame(id, words, step => kinds.reduce((sum, kind) => sum + step[kind], 0));
  for (const step of chart ? chart.steps : []) {
    let below = 0;
    for (const kind of kinds.filter(kind => step[kind] > 0)) {
      const y = chart.y(below + step[kind]), height = Math.max(chart.y(below) - y, 1);
      const shape = { x: chart.x(step) + chart.width * 0.1, y, width: chart.width * 0.8, height, class: kind === 'compiled' ? kind : 'served' };
      chart.tell(el(chart.svg, 'rect', null, shape), step);
      below += step[kind];
    }
  }
}

function curve(id, words, kind) {
  const chart = frame(id, words, step => step[kind]);
  if (!chart) return;
  const points = chart.steps.map(step => [chart.x(step) + chart.width / 2, chart.y(step[kind])]);
  const line = points.map((point, n) => (n ? 'L' : 'M') + point.join(' ')).join('');
  const end = points[points.length - 1];
  el(chart.svg, 'path', null, { class: 'area', d: line + 'L' + end[0] + ' ' + lower + 'L' + points[0][0] + ' ' + lower + 'Z' });
  el(chart.svg, 'path', null, { class: 'line', d: line });
  chart.tell(el(chart.svg, 'circle', null, { cx: end[0], cy: end[1], r: 3.5 }), chart.steps[chart.steps.length - 1]);
}

// The builds of the last day on one scale, each with the packages that it compiled, at their times.
function today() {
  const ends = build => build.compiled.map(one => one.at + one.compile_ms);
  const scale = Math.max(1000, ...data.today.map(build => Math.max(build.wall_ms, ...ends(build))));
  const x = ms => 1000 * ms / scale;
  for (const build of data.today) {
    const { label, bar } = row(at('today'), build.text, build.why);
    time(label, clock, build.started);
    label.append(' ');
    el(label, 'b', build.name);
    label.append(' ');
    el(label, 'code', build.id);
    part(bar, 0, x(build.wall_ms), 'wall');
    for (const one of build.compiled) {
      const shape = part(bar, x(one.at), x(one.compile_ms), 'several');
      el(shape, 'title', [one.path, one.form, one.text, one.cause].filter(text => text).join(', '));
    }
  }
  if (!data.today.length) el(at('today'), 'li', 'No build used the cache in the last day. Earlier ones are below.', { class: 'empty' });
}

// A table; in a narrow window the style makes paragraphs of its rows, which are to stay rows for readers that speak: hence the roles.
function table(id, { head, rows }, main, empty) {
  if (!rows.length) { el(at(id), 'p', empty, { class: 'hint' }); return; }
  const body = el(at(id), 'table', null, { role: 'table', 'aria-labelledby': id + '-title' });
  const columns = head.map(name => ({ name: name.replace('#', ''), kind: name.startsWith('#') ? 'number' : 'word' }));
  const top = el(el(body, 'thead', null, { role: 'rowgroup' }), 'tr', null, { role: 'row' });
  for (const { name, kind } of columns) el(top, 'th', name, { class: kind, scope: 'col', role: 'columnheader' });
  const group = el(body, 'tbody', null, { role: 'rowgroup' });
  for (const row of rows) {
    const line = el(group, 'tr', null, { role: 'row' });
    row.forEach((field, n) => {
      const { name, kind } = columns[n];
      el(line, 'td', field, { class: name === main ? kind + ' main' : kind, 'data-label': name, role: 'cell' });
    });
  }
}

function storage() {
  rows('storage', data.storage, 'served', '');
  const line = at('evicted');
  if (!data.eviction) { line.textContent = 'Nothing was evicted since the daemon started.'; return; }
  line.append('The last eviction: ');
  time(line, long, data.eviction.at);
  line.append(', ' + data.eviction.text + '.');
}

// The page is loaded again every 30 seconds, unless the reader has stopped that: the address says so, for the next time too. A page that is
// not visible waits until it is.
function refresh() {
  const button = at('refresh'), loaded = Date.now();
  const isPaused = () => location.hash === '#paused';
  const show = () => { button.textContent = isPaused() ? 'Refresh every 30 s' : 'Pause refresh'; };
  const load = () => { if (!isPaused() && !document.hidden && Date.now() - loaded >= 30000) location.reload(); };
  button.onclick = () => { location.replace(isPaused() ? '#live' : '#paused'); show(); };
  document.addEventListener('visibilitychange', load);
  setInterval(load, 5000);
  button.hidden = false;
  show();
}

at('about').textContent = data.about + '.';
at('as-of').append('As of ');
time(at('as-of'), long, data.now);
at('as-of').append('.');
const isProblem = one => one.level !== 'good';
const problems = data.findings.filter(isProblem);
at('problems').hidden = !problems.length;
findings(at('problems').querySelector('ul'), problems);
findings(at('checks'), data.findings.filter(one => !isProblem(one)));
at('first').hidden = !data.is_empty;
for (const one of document.querySelectorAll('.of-builds')) one.hidden = data.is_empty;
spans();
rows('live', data.live, 'served', 'No build runs now. The next one appears here; cacheprogctl top shows it by the second.');
columns('saved', step => step.saved_text, ['saved']);
columns('packages', step => step.packages_text, ['served', 'compiled']);
curve('size', step => step.bytes_text, 'bytes');
today();
rows('causes', data.causes, 'compiled', 'Builds of the last day missed nothing that a cache could have served.');
table('slowest', data.slowest, 'package', 'No package was compiled in the last day.');
table('builds', data.builds, 'name', 'No build is remembered. The next one appears here.');
storage();
for (const [name, text] of data.versions) { el(at('versions'), 'dt', name); el(at('versions'), 'dd', text); }
refresh();
document.body.dataset.drawn = 'yes';
