// Two videos in step, a choice by key or touch, and every vote kept until it is known to be safe.
(() => {
  const facts = JSON.parse(document.getElementById('facts').textContent);
  const at = id => document.getElementById(id);
  const sides = [...document.querySelectorAll('.side')];
  const films = sides.map(side => side.querySelector('video'));
  const buttons = [...document.querySelectorAll('[data-choice]')];
  const ASK = {
    quality: 'Which video looks better?',
    prompt: 'Which video follows its still and caption better?',
  };
  let voter = '';
  let trials = [];    // still to be asked, the next one first
  let given = [];     // { trial, vote, sent }
  let shown = null;   // the trial on the page
  let since = 0;
  let playing = false;
  let goal = facts.goal;

  // What was voted stays in this browser, so that a closed page costs nothing.
  const shelf = () => `marey-votes/${facts.study}/${voter}`;
  const remember = () => {
    try { localStorage.setItem(shelf(), JSON.stringify(given)); } catch { /* a page without a shelf still votes */ }
  };
  const recall = () => {
    try { return JSON.parse(localStorage.getItem(shelf()) || '[]'); } catch { return []; }
  };
  const drawn = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
  };
  const mixed = list => {
    const pool = [...list];
    for (let n = pool.length - 1; n > 0; n--) {
      const m = crypto.getRandomValues(new Uint32Array(1))[0] % (n + 1);
      [pool[n], pool[m]] = [pool[m], pool[n]];
    }
    return pool;
  };

  // Media: from the page itself as blobs, or from the server.
  const blobs = new Map();
  const source = id => {
    const data = facts.media[id];
    if (!data) return `media/${id}.mp4`;
    if (!blobs.has(id)) {
      const bytes = Uint8Array.from(atob(data.split(',')[1]), letter => letter.charCodeAt(0));
      blobs.set(id, URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' })));
    }
    return blobs.get(id);
  };

  const sheet = votes => ({ marey_votes: 1, study: facts.study, voter, votes });
  const post = async (path, body) => {
    const answer = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.detail || `The server said ${answer.status}.`);
    return said;
  };
  const problem = text => { at('problem').textContent = text; at('problem').hidden = !text; };

  let sending = false;
  const send = async () => {
    if (facts.offline || sending) return;
    const waiting = given.filter(one => !one.sent);
    if (!waiting.length) return;
    sending = true;
    try {
      await post('api/votes', sheet(waiting.map(one => one.vote)));
      waiting.forEach(one => { one.sent = true; });
      problem('');
    } catch (error) {
      problem(`Not sent yet, and kept here: ${error.message}`);
    }
    sending = false;
    remember();
  };

  let fetching = null;
  const refill = () => {
    if (facts.offline || trials.length > 2) return Promise.resolve();
    fetching ??= post('api/trials', { voter, asked: given.length })
      .then(said => { trials.push(...said.trials); problem(''); })
      .catch(error => problem(`No more pairs: ${error.message}`))
      .finally(() => { fetching = null; });
    return fetching;
  };

  // Both begin together and begin again together; one that falls behind runs a little faster until it is level.
  const both = () => films.every(film => film.readyState >= 2);
  const rewound = film => new Promise(done => {
    film.addEventListener('seeked', done, { once: true });
    film.addEventListener('error', done, { once: true });
    film.currentTime = 0;
  });
  let turn = 0;
  let rewinding = false;
  const restart = async () => {
    const mine = ++turn;
    rewinding = true;
    films.forEach(film => { film.pause(); film.playbackRate = 1; });
    await Promise.race([Promise.all(films.map(rewound)), new Promise(done => setTimeout(done, 1500))]);
    if (mine !== turn) return;
    rewinding = false;
    if (playing && shown) films.forEach(film => film.play().catch(() => {}));
  };
  const keepStep = () => {
    if (shown && playing && !rewinding && both()) {
      const [one, two] = films;
      const behind = one.currentTime - two.currentTime;
      if (one.ended || two.ended) restart();
      else if (Math.abs(behind) > 0.3) two.currentTime = one.currentTime;
      else two.playbackRate = Math.abs(behind) > 0.01 ? 1 + Math.max(-0.25, Math.min(0.25, 4 * behind)) : 1;
    }
    requestAnimationFrame(keepStep);
  };
  const pause = () => {
    playing = !playing;
    films.forEach(film => (playing ? film.play().catch(() => {}) : film.pause()));
  };

  const count = () => {
    const done = given.length;
    at('count').textContent = done === 0 ? `0 of ${goal}` : `${done} of ${goal}${done >= goal ? ', thank you' : ''}`;
    const bar = document.querySelector('.progress');
    bar.setAttribute('aria-valuenow', String(done));
    bar.setAttribute('aria-valuemax', String(goal));
    bar.firstElementChild.style.width = `${Math.min(100, (100 * done) / goal)}%`;
    at('undo').disabled = done === 0;
  };

  const show = async () => {
    if (!trials.length) await refill();
    shown = trials.shift() || null;
    count();
    if (!shown) return end();
    const prompt = facts.prompts[shown.prompt];
    at('question').textContent = ASK[shown.question] || shown.question;
    const told = shown.question === 'prompt';
    at('caption').textContent = prompt.caption ? `“${prompt.caption}”` : '';
    at('caption').hidden = !told || !prompt.caption;
    at('still').hidden = !told || !prompt.still;
    if (told && prompt.still) at('still').src = prompt.still;
    sides.forEach(side => side.classList.remove('chosen'));
    buttons.forEach(button => { button.disabled = true; });
    films[0].src = source(shown.left);
    films[1].src = source(shown.right);
    films.forEach(film => film.load());
    const now = shown;
    await Promise.all(films.map(film => new Promise(ready => {
      if (film.readyState >= 2) return ready();
      film.addEventListener('loadeddata', ready, { once: true });
      film.addEventListener('error', ready, { once: true });
    })));
    if (now !== shown) return;
    if (films.some(film => film.error)) problem('A video does not play in this browser; a tie says nothing wrong.');
    since = performance.now();
    buttons.forEach(button => { button.disabled = false; });
    document.body.dataset.ready = String(given.length);
    restart();
    refill();
  };

  const choose = choice => {
    if (!shown || buttons[0].disabled) return;
    const vote = {
      key: drawn(), left: shown.left, right: shown.right, question: shown.question, choice,
      milliseconds: Math.round(performance.now() - since), made: new Date().toISOString(),
    };
    given.push({ trial: shown, vote, sent: false });
    buttons.forEach(button => { button.disabled = true; });
    sides.forEach(side => side.classList.toggle('chosen', choice === 'tie' || side.dataset.side === choice));
    remember();
    const sent = send();
    setTimeout(() => {
      if (given.length === goal) return sent.then(end);
      show();
    }, 140);
    shown = null;
  };

  const undo = async () => {
    const last = given[given.length - 1];
    if (!last || (!shown && at('end').hidden)) return;
    if (last.sent) {
      try { await post('api/undo', { voter, key: last.vote.key }); } catch (error) { return problem(error.message); }
    }
    given.pop();
    remember();
    if (shown) trials.unshift(shown);
    trials.unshift(last.trial);
    at('end').hidden = true;
    at('vote').hidden = false;
    show();
  };

  const text = () => JSON.stringify(sheet(given.map(one => one.vote)), null, 1);
  const save = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text()], { type: 'application/json' }));
    link.download = `votes-${facts.study}-${voter.replace(/[^A-Za-z0-9_-]+/g, '-') || 'voter'}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const end = () => {
    if (shown) { trials.unshift(shown); shown = null; }
    films.forEach(film => film.pause());
    at('vote').hidden = true;
    at('end').hidden = false;
    const waiting = given.filter(one => !one.sent).length;
    at('total').textContent = given.length === 1 ? 'One vote' : `${given.length} votes`;
    at('save').hidden = !(facts.offline || waiting);
    at('copy').hidden = at('save').hidden || !navigator.clipboard;
    at('sent').textContent = at('save').hidden
      ? 'All of them have arrived. You can close this page, or go on: the more votes, the surer the result.'
      : 'They are still only in this page: save the file, and send it back to whoever asked you.';
    at('more').disabled = facts.offline && !trials.length;
    document.body.dataset.ended = String(given.length);
  };

  at('begin').addEventListener('submit', event => {
    event.preventDefault();
    voter = at('nickname').value.trim();
    if (!voter) return;
    given = recall();
    const done = new Set(given.map(one => `${one.trial.left} ${one.trial.right} ${one.trial.question}`));
    trials = facts.offline ? mixed(facts.trials).filter(trial => !done.has(`${trial.left} ${trial.right} ${trial.question}`)) : [];
    if (given.length >= goal) goal = given.length + facts.goal;
    if (facts.offline) goal = Math.min(goal, given.length + trials.length);
    playing = true;
    at('start').hidden = true;
    at('vote').hidden = false;
    send();
    show();
  });
  at('more').addEventListener('click', () => {
    goal = given.length + (facts.offline ? Math.min(facts.goal, trials.length) : facts.goal);
    at('end').hidden = true;
    at('vote').hidden = false;
    show();
  });
  at('finish').addEventListener('click', () => send().then(end));
  at('undo').addEventListener('click', undo);
  at('save').addEventListener('click', save);
  at('copy').addEventListener('click', () => navigator.clipboard.writeText(text()).then(() => { at('copy').textContent = 'Copied'; }));
  buttons.forEach(button => button.addEventListener('click', () => choose(button.dataset.choice)));
  sides.forEach(side => side.addEventListener('click', () => choose(side.dataset.side)));

  addEventListener('keydown', event => {
    if (at('vote').hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = { ArrowLeft: 'left', ArrowRight: 'right', ArrowDown: 'tie', 1: 'left', 2: 'tie', 3: 'right' }[event.key];
    if (key) { event.preventDefault(); choose(key); }
    else if (event.key.toLowerCase() === 'u' || event.key === 'Backspace') { event.preventDefault(); undo(); }
    else if (event.key.toLowerCase() === 'r') restart();
    else if (event.key === ' ' && event.target.tagName !== 'BUTTON') { event.preventDefault(); pause(); }
  });
  addEventListener('beforeunload', event => {
    if (given.some(one => !one.sent) && at('save').dataset.saved !== 'yes') event.preventDefault();
  });
  at('save').addEventListener('click', () => { at('save').dataset.saved = 'yes'; });
  requestAnimationFrame(keepStep);
})();
