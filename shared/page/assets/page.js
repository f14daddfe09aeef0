// Lists and filters the findings of the page. The filter stands in the hash of the address, so that a link shows what its sender saw.
// Every text is set as text: nothing of the data becomes markup.
'use strict';
(async () => {
  const byId = (id) => document.getElementById(id);
  const PAGE = 100;
  const SEVERITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 'INFORMATIONAL'];
  const STATUSES = ['OPEN', 'SUPPRESSED', 'RESOLVED'];
  const FIELDS = ['q', 'status', 'severity', 'rule', 'account', 'region', 'principal'];

  // Characters that steer how a text is displayed, such as those that turn its direction around, are shown as this one.
  const shown = (text) => String(text).replace(steers, '\ufffd');

  const element = (name, text, classes) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = shown(text);
    if (classes) made.className = classes;
    return made;
  };

  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    return new Response(stream).json();
  };

  const data = await inflate(byId('data').textContent);
  const steers = new RegExp(data.steers, 'gu');
  // Ids, UUIDs and times are bytes in base64.
  const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
  const idsIn = (text) => {
    const bytes = atob(text);
    const id = (_, at) => Array.from(bytes.slice(16 * at, 16 * at + 16), (c) => PAIRS[c.charCodeAt(0)]).join('');
    return Array.from({ length: bytes.length / 16 }, id);
  };
  const timesIn = (text) => {
    const bytes = atob(text);
    const rows = bytes.length / 4;
    const seconds = (at) => [0, 1, 2, 3].reduce((sum, byte) => sum * 256 + bytes.charCodeAt(rows * byte + at), 0);
    const time = (at) => (seconds(at) === 0 ? null : new Date(1000 * seconds(at)).toISOString().replace('.000Z', 'Z'));
    return Array.from({ length: rows }, (_, at) => time(at));
  };
  const uuidOf = (id) => [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-');
  // Columns whose values go together have their rows once.
  const rowsOf = new Map(data.columns.map(([name, column]) => [name, column.rows]));
  const unpacked = (column) => {
    if (column.ids !== undefined) return idsIn(column.ids);
    if (column.times !== undefined) return timesIn(column.times);
    if (column.along !== undefined) return { values: column.values, rows: rowsOf.get(column.along) };
    if (column.lists !== undefined) {
      let number = 0;
      return column.lists.map((list) => list.map((distance) => column.members[(number += distance)]));
    }
    if (column.links !== undefined) return column.links.map((list) => list.map((link) => (typeof link === 'number' ? raw('id', link) : link)));
    if (column.uuids === undefined) return column;
    const all = idsIn(column.uuids).map(uuidOf);
    let at = 0;
    return column.lengths.map((length) => all.slice(at, (at += length)));
  };
  const columns = new Map();
  const raw = (name, row) => {
    const column = columns.get(name);
    return Array.isArray(column) ? column[row] : column.values[column.rows[row]];
  };
  // Ids come first, and links to other findings are read from them.
  for (const [name, column] of data.columns) columns.set(name, unpacked(column));
  const joined = (names) => names.join(', ').replace(/, (and \d+ more)$/, ' $1');
  // A detail in a list is only the end of one that begins with what other members say.
  const value = (name, row) => {
    const found = raw(name, row);
    if (name !== 'detail' || !Array.isArray(found)) return found;
    const count = raw('count', row);
    return `${count} ${count === 1 ? 'call' : 'calls'} of ${joined(raw('apis', row))} with ${joined(raw('models', row))} by ${joined(raw('principals', row))}: ${found[0]}`;
  };
  const distinct = (name) => {
    const column = columns.get(name);
    return column === undefined ? [] : [...new Set(Array.isArray(column) ? column : column.values)];
  };
  const finding = (row) => Object.fromEntries([...columns.keys()].map((name) => [name, value(name, row)]));
  const nameOf = (account) => data.accounts[account] || '';

  let texts = null;
  const textOf = (row) => {
    texts ??= Array.from({ length: data.rows }, (_, row) =>
      [value('detail', row), value('title', row), value('rule', row), value('account', row), nameOf(value('account', row)),
        data.units[value('account', row)] || '', value('region', row), value('resource', row), value('id', row),
        ...value('principals', row), ...value('models', row), ...value('apis', row)].join('\n').toLowerCase());
    return texts[row];
  };

  const form = byId('filter');
  const fill = (name, options) => {
    const select = form.elements[name];
    for (const [value, text] of options) {
      const option = element('option', text);
      option.value = value;
      select.append(option);
    }
  };
  const sorted = (name) => distinct(name).sort();
  fill('status', [['', 'All'], ...STATUSES.map((status) => [status, status[0] + status.slice(1).toLowerCase()])]);
  fill('severity', [['', 'All'], ...SEVERITIES.map((word, at) => [word, at === 0 ? 'Critical' : `${word[0]}${word.slice(1).toLowerCase()} or worse`])]);
  fill('rule', [['', 'All'], ...sorted('rule').map((rule) => [rule, rule])]);
  fill('account', [['', 'All'], ...sorted('account').map((account) => [account, nameOf(account) ? `${nameOf(account)} (${account})` : account])]);
  fill('region', [['', 'All'], ...sorted('region').map((region) => [region, region])]);

  // Findings are listed with the worst first: those of one status and severity by their counts.
  const rank = (row) => [STATUSES.indexOf(value('status', row)), SEVERITIES.indexOf(value('severity', row)), -value('count', row)];
  const ranks = Array.from({ length: data.rows }, (_, row) => [row, ...rank(row)]);
  const worstFirst = ranks.sort(([a, ...ofA], [b, ...ofB]) => ofA.map((one, at) => one - ofB[at]).find((less) => less !== 0) ?? a - b).map(([row]) => row);

  let filter = {};
  let matching = [];
  let listed = 0;
  let opened = '';

  // A hash without `=` is a link to a part of the page.
  const isFilter = (hash) => hash.includes('=');
  const readHash = () => {
    const parameters = new URLSearchParams(location.hash.slice(1));
    filter = Object.fromEntries(FIELDS.map((name) => [name, parameters.get(name) ?? '']));
    if (!parameters.has('status')) filter.status = 'OPEN';
    if (filter.status === 'ALL') filter.status = '';
    for (const name of FIELDS) {
      form.elements[name].value = filter[name];
      // A value that no finding has is no choice, and must not read as "All".
      if (form.elements[name].value !== filter[name]) fillUnknown(name, filter[name]);
    }
  };
  const fillUnknown = (name, value) => {
    fill(name, [[value, `${value} (none)`]]);
    form.elements[name].value = value;
  };
  const writeHash = () => {
    const parameters = new URLSearchParams();
    for (const name of FIELDS) {
      if (name === 'status') {
        if (filter.status !== 'OPEN') parameters.set(name, filter.status || 'ALL');
      } else if (filter[name]) parameters.set(name, filter[name]);
    }
    if (opened) parameters.set('open', opened);
    const hash = parameters.toString();
    history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
  };

  const apply = () => {
    const query = filter.q.trim().toLowerCase();
    const principal = filter.principal.trim().toLowerCase();
    const worst = filter.severity ? SEVERITIES.indexOf(filter.severity) : SEVERITIES.length;
    matching = [];
    for (const row of worstFirst) {
      if ((!filter.status || value('status', row) === filter.status)
        && (worst === SEVERITIES.length || SEVERITIES.indexOf(value('severity', row)) <= worst)
        && (!filter.rule || value('rule', row) === filter.rule)
        && (!filter.account || value('account', row) === filter.account)
        && (!filter.region || value('region', row) === filter.region)
        && (!principal || value('principals', row).some((one) => one.toLowerCase().includes(principal)))
        && (!query || textOf(row).includes(query))) matching.push(row);
    }
    listed = 0;
    byId('rows').replaceChildren();
    list();
    const number = (count) => count.toLocaleString('en');
    byId('shown').textContent = matching.length === data.rows ? `${number(data.rows)} findings` : `${number(matching.length)} of ${number(data.rows)} findings`;
  };

  const list = () => {
    const fragment = document.createDocumentFragment();
    const end = Math.min(listed + PAGE, matching.length);
    for (; listed < end; listed += 1) {
      const row = matching[listed];
      const line = lineOf(row);
      fragment.append(line);
      if (opened && value('id', row).startsWith(opened)) toggle(line.querySelector('button'), row, true);
    }
    byId('rows').append(fragment);
    const rest = matching.length - listed;
    byId('more').hidden = rest === 0;
    byId('more').textContent = `Show ${Math.min(rest, PAGE)} more of ${rest.toLocaleString('en')}`;
  };

  const dateOf = (time) => (time ? time.slice(0, 10) : '');
  const lineOf = (row) => {
    const line = element('tr');
    const severity = value('severity', row);
    const first = element('td');
    first.append(element('span', severity.toLowerCase(), `severity ${severity}`));
    const what = element('td', undefined, 'what');
    const button = element('button', value('title', row), 'toggle');
    button.type = 'button';
    button.setAttribute('aria-expanded', 'false');
    button.addEventListener('click', () => toggle(button, row, button.getAttribute('aria-expanded') === 'false', true));
    what.append(button, element('small', value('detail', row)));
    const account = value('account', row);
    const where = element('td', nameOf(account) || account);
    where.append(element('small', `${nameOf(account) ? `${account}, ` : ''}${value('region', row)}`));
    const status = element('td', value('status', row).toLowerCase());
    const suppression = value('suppression', row);
    if (suppression) status.append(element('small', `until ${suppression.until}`));
    line.append(first, what, where, element('td', value('count', row).toLocaleString('en'), 'number'),
      element('td', dateOf(value('last_seen', row)), 'date'), status);
    return line;
  };

  const toggle = (button, row, open, byHand) => {
    const line = button.closest('tr') ?? button.parentElement.parentElement;
    button.setAttribute('aria-expanded', String(open));
    if (open) line.after(detailOf(row));
    else if (line.nextElementSibling?.classList.contains('detail')) line.nextElementSibling.remove();
    if (byHand) {
      opened = open ? value('id', row).slice(0, 12) : '';
      writeHash();
    }
  };

  const seenOf = ({ first_seen: first, last_seen: last }) => (first && first !== last ? `${first} – ${last}` : first ?? '');
  // How the finding came about, as far as the report says: the rule, what was seen, what it was judged against, the verdict, the severity.
  const stepsOf = (all, rule) => {
    const spaced = (word) => word.replaceAll('_', ' ');
    const meant = (word) => `${spaced(word)}${data.words[word] ? `: ${data.words[word]}` : ''}`;
    const { policy } = all;
    const set = policy?.policy ? `, set by ${policy.policy}${policy.attached_to ? ` on ${policy.attached_to}` : ''}` : '';
    const [before, after] = all.attempted ? ['now', 'had it not been refused'] : ['before', 'after'];
    const by = all.principals.length > 0 ? ` by ${joined(all.principals)}` : '';
    const lowered = [all.expected && 'made by an administrator whom the configuration names',
      all.attempted && 'every attempt was refused', all.grade === 'none' && 'its effect could not be verified'].filter(Boolean);
    const usual = rule && (rule.severity === all.severity ? 'as the rule has it' : `the rule has ${rule.severity}`);
    return [
      rule ? `${all.rule}: ${rule.fires}` : all.rule,
      all.apis.length > 0 && `${all.count.toLocaleString('en')} × ${joined(all.apis)}${by}${seenOf(all) && `, ${seenOf(all)}`}`
        + `${all.events.length > 0 ? `, events ${all.events.join(' and ')}` : ''}.`,
      `${all.detail}.`,
      policy && `The latest call was judged against ${policy.identifier ?? 'a policy that names no guardrail for this Region'} (${spaced(policy.basis)}${set})${policy.since ? `, in force since ${policy.since}` : ''}.`,
      ...all.missing.map((one) => `Missing: ${meant(one)}.`),
      all.verdict && `Verdict ${meant(all.verdict)}.`,
      all.grade && `Evidence ${meant(all.grade)}.`,
      all.reason && `Reason ${meant(all.reason)}.`,
      ...all.changes.map(({ control, side, ...change }) =>
        `${control}${side ? ` (${side})` : ''}: ${change.before ?? 'nothing'} ${before}, ${change.after ?? 'nothing'} ${after}.`),
      `Severity ${all.severity}${usual ? `: ${[usual, ...lowered].join('; ')}` : ''}.`,
    ].filter(Boolean);
  };

  const detailOf = (row) => {
    const all = finding(row);
    const dl = element('dl');
    const put = (name, ...content) => {
      const kept = content.filter((one) => one !== undefined && one !== null && one !== '');
      if (kept.length === 0) return;
      const dd = element('dd');
      if (kept.length === 1) dd.append(...kept.map((one) => (one instanceof Node ? one : shown(one))));
      else {
        const ul = element('ul');
        for (const one of kept) {
          const li = element('li');
          li.append(one instanceof Node ? one : shown(one));
          ul.append(li);
        }
        dd.append(ul);
      }
      dl.append(element('dt', name), dd);
    };
    const rule = data.rules[all.rule];
    put('What to do', all.remediation);
    put('Why it matters', rule && rule.rationale);
    const steps = element('ol');
    for (const step of stepsOf(all, rule)) steps.append(element('li', step));
    put('Step by step', steps);
    put('Resource', all.resource);
    put('Organizational unit', data.units[all.account]);
    put('Principals', ...all.principals);
    put('Models', ...all.models);
    put('Operations', ...all.apis);
    put('Seen', seenOf(all));
    put('Events', ...all.events.map((id) => element('span', id, 'mono')));
    if (all.suppression) {
      put('Excepted', `until ${all.suppression.until} by ${all.suppression.owner}: ${all.suppression.reason}`, all.suppression.ticket);
    }
    put('Resolved', all.resolved_at);
    put('Reopened', all.reopened > 0 ? `${all.reopened} times` : '');
    put('Frameworks', all.controls.join(', '));
    put('Belongs to', ...all.linked.map((id) => {
      const link = element('button', id.slice(0, 12), 'link');
      link.type = 'button';
      link.addEventListener('click', () => go({ q: id }));
      return link;
    }));
    const explain = element('code', `guardrail-audit explain ${all.id.slice(0, 12)} ${data.explain}`);
    if (data.has_origin) put('With all evidence', explain);
    else put('With all evidence', 'keep a store: run the same audit with --store audit.db, and then', explain);
    const line = element('tr', undefined, 'detail');
    const cell = element('td');
    cell.colSpan = 6;
    cell.append(dl);
    line.append(cell);
    return line;
  };

  const go = (wanted) => {
    opened = '';
    filter = { ...Object.fromEntries(FIELDS.map((name) => [name, ''])), ...wanted };
    for (const name of FIELDS) form.elements[name].value = filter[name];
    writeHash();
    apply();
  };

  const fromHash = () => {
    opened = new URLSearchParams(location.hash.slice(1)).get('open') ?? '';
    readHash();
    apply();
  };

  // A spreadsheet would run a cell that begins like a formula.
  const cell = (value) => {
    let text = shown(Array.isArray(value) ? joined(value) : value ?? '');
    if (/^[=+\-@＝＋－＠]/.test(text)) text = `'${text}`;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  // Cells that are no member of a finding as it is.
  const CELLS = {
    policy: ({ policy }) => policy && `${policy.basis}: ${policy.identifier ?? 'no guardrail'}`
      + (policy.policy ? ` by ${policy.policy}` : '') + (policy.attached_to ? ` on ${policy.attached_to}` : ''),
    suppression: ({ suppression }) => suppression && `accepted until ${suppression.until} by ${suppression.owner}: ${suppression.reason}`
      + (suppression.ticket ? ` (${suppression.ticket})` : ''),
    changes: ({ changes }) => changes.map(({ control, side, before, after }) =>
      `${control}${side ? ` (${side})` : ''} from ${before ?? 'nothing'} to ${after ?? 'nothing'}`).join('; '),
    account_name: ({ account }) => nameOf(account),
  };
  const lineOfCsv = (row) => {
    const all = finding(row);
    return data.csv.map((name) => cell(CELLS[name] ? CELLS[name](all) : all[name])).join(',');
  };
  // What is saved has the order of the report.
  const saved = () => [...matching].sort((a, b) => a - b);
  const asCsv = () => `${[data.csv.join(','), ...saved().map(lineOfCsv)].join('\n')}\n`;
  const save = (name, type, text) => {
    const link = element('a');
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => {
    for (const name of FIELDS) filter[name] = form.elements[name].value;
    opened = '';
    writeHash();
    apply();
  });
  byId('reset').addEventListener('click', () => go({ status: 'OPEN' }));
  byId('more').addEventListener('click', () => {
    const at = byId('rows').children.length;
    list();
    byId('rows').children[at]?.querySelector('button')?.focus();
  });
  byId('csv').addEventListener('click', () => save('findings.csv', 'text/csv', asCsv()));
  byId('json').addEventListener('click', () => save('findings.json', 'application/json', JSON.stringify(saved().map(finding), null, 2)));
  window.addEventListener('hashchange', ({ newURL }) => {
    // The event comes later than the address changes. Whoever has typed a filter since has replaced that address, and goes on typing.
    const { hash } = new URL(newURL);
    if (hash !== location.hash || !isFilter(hash)) return;
    fromHash();
    byId('findings').scrollIntoView();
    byId('findings').focus({ preventScroll: true });
  });

  fromHash();
  byId('interactive').hidden = false;
  document.documentElement.classList.add('js');
  if (isFilter(location.hash)) byId('findings').scrollIntoView();
  performance.mark('ready');
  document.documentElement.dataset.ready = 'true';
})().catch(() => {
  // Without the decompression of newer browsers, the worst findings are there as text.
  document.documentElement.dataset.ready = 'false';
});
