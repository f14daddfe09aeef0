// Checks pages in a headless Chromium: `node check.mjs MODULES PAGES TESTS`. Each check prints a line; the first that fails ends the run.
// With UPDATE_SHAPES=1 the shapes of the screenshots are written anew.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

const [modules, pages, tests] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const hostile = JSON.parse(process.env.HOSTILE);
const started = Date.now();
const say = (what) => console.log(`${((Date.now() - started) / 1000).toFixed(1)} s  ${what}`);

// The browser lies in its package compressed, with the libraries that it needs and one family of fonts, so that it looks the same everywhere.
const browserFolder = join(modules, 'chromium');
if (!existsSync(browserFolder)) {
  const making = `${browserFolder}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making);
  const { TMPDIR } = process.env;
  process.env.TMPDIR = making;
  const packed = join(modules, 'node_modules/@sparticuz/chromium/bin');
  const { inflate } = await import(join(modules, 'node_modules/@sparticuz/chromium/build/index.js'));
  await Promise.all(['chromium.br', 'fonts.tar.br', 'al2023.tar.br'].map((file) => inflate(join(packed, file))));
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  renameSync(making, browserFolder);
  say('unpacked the browser');
}
// Written each time: it names the folder, which may have been moved, and without fonts the browser crashes.
writeFileSync(join(browserFolder, 'fonts/fonts.conf'), `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>${browserFolder}/fonts/fonts</dir><cachedir>${browserFolder}/fonts-cache</cachedir></fontconfig>`);
const browser = await chromium.launch({
  executablePath: join(browserFolder, 'chromium'),
  env: { ...process.env, LD_LIBRARY_PATH: join(browserFolder, 'al2023/lib'), FONTCONFIG_PATH: join(browserFolder, 'fonts'), HOME: browserFolder },
  args: ['--headless=shell', '--no-sandbox', '--disable-gpu', '--no-zygote', '--disable-background-networking', '--disable-component-update'],
});

// How long a busy machine may take for anything that the page or the browser has to do.
const PATIENCE = 120_000;

// Reads a value again and again until it is the one that is wanted: a page follows what is typed and clicked at its own pace.
const becomes = async (wanted, read, what) => {
  const end = Date.now() + PATIENCE;
  let found = await read();
  while (!isDeepStrictEqual(found, wanted) && Date.now() < end) {
    await new Promise((later) => setTimeout(later, 20));
    found = await read();
  }
  assert.deepEqual(found, wanted, what);
};

const address = (name) => `file://${join(pages, `${name}.html`)}`;
const expected = (name) => JSON.parse(readFileSync(join(pages, `${name}.json`), 'utf8'));

// Opens a page. Whatever it asks for besides itself, and whatever it complains of, fails the run.
const open = async (name, { hash = '', ...options } = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const asked = [];
  const complaints = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(address(name) + hash);
  if (options.javaScriptEnabled !== false) {
    await page.waitForFunction(() => document.documentElement.dataset.ready);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.ready), 'true');
  }
  page.done = async () => {
    assert.deepEqual(asked.filter((url) => url.split('#')[0] !== address(name) && !url.startsWith('blob:')), [], 'requests');
    assert.deepEqual(complaints, [], 'the console is silent');
    await context.close();
  };
  return page;
};
const texts = (page, selector) => page.$$eval(selector, (found) => found.map((one) => one.textContent.trim()));
const number = (text) => Number(text.replaceAll(',', ''));
const shown = async (page) => number((await texts(page, '#shown'))[0].split(' ')[0]);
// The address as the page has it. What `page.url()` returns comes later, by way of the browser.
const hashOf = (page) => page.evaluate(() => location.hash);
const focused = (page, property) => page.evaluate((property) => document.activeElement[property], property);
// Opens rows, and waits until their details are there.
const openRows = async (page, toggles) => {
  for (const toggle of toggles) await toggle.click();
  await becomes(toggles.length, async () => (await page.$$('.detail dl')).length, 'rows that are open');
};

// The page says the numbers of the report's JSON.
const checkNumbers = async (name) => {
  const page = await open(name);
  const wanted = expected(name);
  const sentence = `${(await texts(page, 'h1'))[0]} ${(await texts(page, '.lead'))[0]}`;
  const plain = (text) => text.replaceAll(/[\s\u00a0.;,]/g, '').toLowerCase();
  assert.equal(plain(sentence), plain(wanted.sentence));
  const legend = await texts(page, '.legend b');
  assert.deepEqual(legend.map(number).sort(), Object.values(wanted.bar).sort());
  assert.equal(legend.map(number).reduce((a, b) => a + b, 0), wanted.required);
  const rows = await page.$$eval('.accounts tbody tr', (rows) =>
    rows.map((row) => [row.querySelector('a').hash.replace('#account=', ''), row.querySelector('.number').textContent]));
  for (const [account, calls] of rows) {
    if (calls !== '–') assert.equal(number(calls.split(' ')[0]), wanted.by_account[account], account);
  }
  const totals = (await texts(page, '.map .total')).filter((text) => text);
  const sums = totals.map((text) => text.split(' of ').map(number)).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
  assert.deepEqual(sums, [wanted.violations, wanted.required], 'the rows of the map add up to all calls');
  const unguarded = (await texts(page, '.chart title')).map((title) => number(title.match(/: ([\d,]+) of/)[1])).reduce((a, b) => a + b, 0);
  const dated = wanted.timeline.filter((row) => row.day && row.verdict === 'violation').reduce((sum, row) => sum + row.count, 0);
  assert.equal(unguarded, dated, 'the columns of days add up to all violations with a time');
  const open_ = wanted.findings.filter((finding) => finding.status === 'OPEN').length;
  assert.equal(await shown(page), open_);
  await page.selectOption('[name=status]', '');
  await becomes(wanted.findings.length, () => shown(page), 'all findings');
  const download = async (button) => {
    const [saved] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
    return readFileSync(await saved.path(), 'utf8');
  };
  assert.deepEqual(JSON.parse(await download('#json')), wanted.findings, 'what is saved are the findings of the report');
  const csv = await download('#csv');
  assert.equal(csv.trim().split('\n').length, wanted.findings.length + 1);
  if (wanted.csv) assert.equal(csv, wanted.csv, 'the same CSV as of the command line');
  const first = await page.$$eval('#rows tr', (rows) => rows.slice(0, 5).map((row) => row.querySelector('.number').textContent));
  const ofWorst = wanted.worst.slice(0, 5).map((id) => wanted.findings.find((finding) => finding.id.startsWith(id)).count);
  assert.deepEqual(first.map(number), ofWorst, 'the worst come first');
  await page.done();
  say(`${name}: the numbers are those of the JSON`);
};

// No violation that axe-core knows, in both schemes, with a row opened.
const checkAccessibility = async (name, schemes) => {
  for (const colorScheme of schemes) {
    const page = await open(name, { colorScheme });
    await openRows(page, (await page.$$('.toggle')).slice(0, 1));
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`), [], colorScheme);
    await page.done();
  }
  say(`${name}: accessible, ${schemes.join(' and ')}`);
};

// What the page says of a finding leads through its evidence, and the command for more can be pasted. Exceptions are there, ended or not.
const checkDetails = async () => {
  const { findings } = expected('demo');
  const judged = findings.find((finding) => finding.verdict && finding.policy?.policy);
  const changed = findings.find((finding) => finding.changes.length > 0 && finding.attempted === false);
  const accepted = findings.find((finding) => finding.suppression);
  for (const { id, ...wanted } of [judged, changed, accepted]) {
    const page = await open('demo', { hash: `#status=ALL&q=${id}&open=${id}` });
    const steps = (await texts(page, '.detail ol li')).join('\n');
    const says = [wanted.rule, wanted.detail, `Severity ${wanted.severity}`, ...wanted.events, wanted.policy?.policy ?? '',
      ...wanted.changes.map(({ control }) => control), ...[wanted.verdict, wanted.reason].filter(Boolean).map((word) => word.replaceAll('_', ' '))];
    for (const text of says) assert.ok(steps.includes(text), `${text} in: ${steps}`);
    assert.equal((await texts(page, '.detail code'))[0],
      `guardrail-audit explain ${id.slice(0, 12)} --store 'it'\\''s a store.db' --config guardrail-audit.toml`);
    if (wanted.suppression) assert.ok((await texts(page, '.detail')).join().includes(wanted.suppression.reason));
    await page.done();
  }
  const page = await open('demo');
  const exceptions = (await texts(page, '[aria-labelledby=exceptions-title] li')).join('\n');
  assert.match(exceptions, /api-not-covered until 31.Jan.2027[^]*draft-guardrail-used until 1.Nov.2026 ended: its findings are open again/);
  assert.ok((await texts(page, '.accounts .number')).some((calls) => calls.endsWith(`${accepted.count} excepted`)));
  await page.done();
  say('demo: findings step by step, and exceptions');
};

// Everything can be reached and used by keyboard, and the filter stands in the address.
const checkKeyboard = async () => {
  const findings = expected('demo').findings.filter((finding) => finding.status === 'OPEN');
  let page = await open('demo');
  assert.equal(await shown(page), findings.length);
  await page.keyboard.press('Tab');
  await becomes('skip', () => focused(page, 'className'));
  await page.keyboard.press('Enter');
  // Chromium moves the focus to a link's target with the next frame. Whoever types before loses what follows.
  await becomes('findings', () => focused(page, 'id'));
  await page.keyboard.press('Tab');
  await becomes('q', () => focused(page, 'name'));
  await page.keyboard.type('enforcement');
  await becomes('#q=enforcement', () => hashOf(page), 'the filter stands in the address');
  const textsOf = ({ detail, title, rule, account, region, resource, id, principals, models, apis }) =>
    [detail, title, rule, account, region, resource, id, ...principals, ...models, ...apis];
  const matching = findings.filter((finding) => textsOf(finding).some((text) => text.toLowerCase().includes('enforcement')));
  assert.ok(matching.length > 0 && matching.length < findings.length, `${matching.length} of ${findings.length}`);
  await becomes(matching.length, () => shown(page), 'what contains the text');
  await page.focus('.toggle');
  await page.keyboard.press('Enter');
  await becomes('true', () => page.getAttribute('.toggle', 'aria-expanded'));
  await becomes(1, async () => (await page.$$('.detail dl')).length);
  const hash = await hashOf(page);
  assert.match(hash, /^#q=enforcement&open=[0-9a-f]{12}$/);
  await page.done();

  page = await open('demo', { hash });
  assert.equal(await shown(page), matching.length, 'a link shows what its sender saw');
  assert.equal((await page.$$('.detail dl')).length, 1);
  await page.click('#reset');
  await becomes(findings.length, () => shown(page), 'all that are open');
  await page.focus('.map a');
  const place = await page.getAttribute('.map a', 'href');
  await page.keyboard.press('Enter');
  const { account, region } = Object.fromEntries(new URLSearchParams(place.slice(1)));
  const there = findings.filter((finding) => finding.account === account && finding.region === region);
  await becomes(there.length, () => shown(page), 'a cell of the map leads to its findings');
  await becomes('findings', () => focused(page, 'id'));
  await page.done();

  page = await open('demo', { hash: '#account=999999999999' });
  assert.equal(await shown(page), 0, 'an account without findings has none');
  await page.done();
  say('demo: by keyboard, and by its address');
};

// The browser tells of a new address later than it changes. Whoever types in between keeps the focus, and what was typed.
const checkTypingAfterLink = async () => {
  const page = await open('demo');
  for (const link of ['#findings', '#status=ALL']) {
    const focusedAfter = await page.evaluate(async (link) => {
      const told = new Promise((told) => window.addEventListener('hashchange', told, { once: true }));
      location.hash = link;
      const input = document.querySelector('[name=q]');
      input.focus();
      input.value = 'enforcement';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await told;
      return document.activeElement.name;
    }, link);
    assert.equal(focusedAfter, 'q', link);
    assert.equal(await hashOf(page), '#q=enforcement', link);
  }
  await page.done();
  say('demo: typing goes on after a link');
};

// Without scripts, the first screen and the worst findings are there.
const checkWithoutScripts = async () => {
  const page = await open('demo', { javaScriptEnabled: false });
  assert.ok(await page.isVisible('h1') && await page.isVisible('.map') && await page.isVisible('.bar'));
  assert.ok(await page.isVisible('#static') && !(await page.isVisible('#interactive')));
  assert.equal((await page.$$('#static tbody tr')).length, expected('demo').findings.length);
  await page.done();
  const large = await open('large', { javaScriptEnabled: false });
  const ids = await large.$$eval('#static tbody .id', (ids) => ids.map((id) => id.textContent.split(' · ')[1]));
  assert.deepEqual(ids, expected('large').worst, 'the worst hundred');
  await large.done();
  say('readable without scripts');
};

// Texts from outside are shown as they are: the page has the same elements as one with harmless texts, and nothing ran.
const checkHostile = async () => {
  const count = async (name) => {
    const page = await open(name, { hash: '#status=ALL' });
    await openRows(page, await page.$$('.toggle'));
    const elements = await page.evaluate(() => {
      const names = {};
      for (const { tagName, attributes } of document.querySelectorAll('*')) {
        for (const key of [tagName, ...[...attributes].map((attribute) => `@${attribute.name}`)]) names[key] = (names[key] ?? 0) + 1;
      }
      return names;
    });
    const content = await page.evaluate(() => document.body.innerText);
    const choices = await texts(page, 'select option');
    assert.equal(await page.evaluate(() => window.owned), undefined);
    await page.done();
    return { elements, content, choices };
  };
  const [plain, found] = [await count('plain'), await count('hostile')];
  assert.deepEqual(found.elements, plain.elements, 'no text becomes an element or an attribute');
  for (const text of hostile) {
    assert.ok(found.content.split(text).length > 8, `in names, titles, details and principals: ${text}`);
    assert.ok(found.choices.some((choice) => choice.startsWith(text)), `as a choice of the filter: ${text}`);
  }
  say('hostile: shown as it is');
};

// The milliseconds of the best of three runs, and of up to ten while none is within the limit: what else the machine does doesn't count.
const best = async (limit, measure) => {
  let least = Infinity;
  for (let run = 0; run < 3 || (least > limit && run < 10); run += 1) least = Math.min(least, await measure());
  return least;
};

// The limits in milliseconds are ten times what an idle machine takes: a slow one is within them, and work that grows with the square of the findings isn't.
const READY = 4000;
const FILTERED = 400;

const checkSpeed = async () => {
  const ready = await best(READY, async () => {
    const page = await open('large');
    const time = await page.evaluate(() => performance.getEntriesByName('ready')[0].startTime);
    await page.done();
    return time;
  });
  assert.ok(ready <= READY, `ready after ${ready} ms`);
  const page = await open('large');
  let filtered = 0;
  for (const text of ['role/batch-2', 'zzz', 'team-3']) {
    filtered = Math.max(filtered, await best(FILTERED, () => page.evaluate(async (text) => {
      const input = document.querySelector('[name=q]');
      input.value = text;
      const before = performance.now();
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
      return performance.now() - before;
    }, text)));
  }
  assert.ok(filtered <= FILTERED, `filtered in ${filtered} ms`);
  await page.done();
  say(`large: ready after ${Math.round(ready)} ms, filtered in ${Math.round(filtered)} ms`);
};

// The first printed page holds the first screen: its headings are on page 1, those of the rest behind it.
const checkPrint = async (name) => {
  const page = await open(name);
  const pdf = (await page.pdf({ preferCSSPageSize: true, outline: true, tagged: true })).toString('latin1');
  const objects = new Map([...pdf.matchAll(/(?:^|\n)(\d+) 0 obj\n?([\s\S]*?)\nendobj/g)].map(([, id, body]) => [id, body]));
  const numbers = new Map([...objects].filter(([, body]) => /\/Type\s*\/Page\b/.test(body)).map(([id], index) => [id, index + 1]));
  const text = (title) => (title.startsWith('\xfe\xff') ? Buffer.from(title.slice(2), 'latin1').swap16().toString('utf16le') : title);
  const headings = [...objects.values()].filter((body) => body.includes('/Title') && body.includes('/Dest')).map((body) => [
    text(body.match(/\/Title\s*\(((?:\\.|[^\\)])*)\)/)?.[1] ?? ''),
    numbers.get(body.match(/\/Dest\s*\[\s*(\d+) 0 R/)?.[1]),
  ]);
  assert.ok(headings.length >= 6, `${name}: ${JSON.stringify(headings)}`);
  for (const [title, at] of headings) {
    const isBehind = /^(Findings|What could not be seen)/.test(title);
    assert.ok(isBehind ? at > 1 : at === 1, `${name}: "${title}" is on page ${at} of ${numbers.size}`);
  }
  writeFileSync(join(pages, `${name}.pdf`), Buffer.from(pdf, 'latin1'));
  await page.done();
  say(`${name}: printed on ${numbers.size} pages`);
};

// A screenshot as characters, from dark to light, in a grid that is coarse enough to be the same everywhere.
const shapeOf = (page, png) => page.evaluate(async (png) => {
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const [width, height] = [64, 36];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const light = (at) => (0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2]) / 256;
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => '@%#*+=-. '[Math.floor(light(4 * (y * width + x)) * 9)]).join(''));
}, png);

const checkShapes = async () => {
  const blank = await (await browser.newContext()).newPage();
  for (const colorScheme of ['light', 'dark']) {
    const page = await open('demo', { colorScheme });
    const png = await page.screenshot({ path: join(pages, `demo-${colorScheme}.png`) });
    await page.done();
    const shape = await shapeOf(blank, png.toString('base64'));
    const kept = join(tests, `demo-${colorScheme}.txt`);
    if (process.env.UPDATE_SHAPES) writeFileSync(kept, `${shape.join('\n')}\n`);
    const before = readFileSync(kept, 'utf8').split('\n');
    const scale = '@%#*+=-. ';
    const differs = shape.flatMap((line, y) => [...line].filter((c, x) => Math.abs(scale.indexOf(c) - scale.indexOf(before[y][x])) > 1));
    assert.ok(differs.length <= 46, `demo in ${colorScheme} looks otherwise (see ${pages}, and run with UPDATE_SHAPES=1):\n${shape.join('\n')}`);
  }
  say('demo: looks as it did, light and dark');
};

try {
  await checkNumbers('demo');
  await checkNumbers('large');
  await checkDetails();
  await checkKeyboard();
  await checkTypingAfterLink();
  await checkWithoutScripts();
  await checkHostile();
  await checkPrint('demo');
  await checkPrint('large');
  await checkSpeed();
  await checkShapes();
  await checkAccessibility('demo', ['light', 'dark']);
  await checkAccessibility('hostile', ['dark']);
  await checkAccessibility('empty', ['light']);
} finally {
  await browser.close();
}
