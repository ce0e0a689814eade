// Videos play only while they are in view, and stop for those who asked for less motion. Without this script they play as they are.
(() => {
  const films = [...document.querySelectorAll('.film video')];
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let paused = still.matches;
  const seen = new Set();
  const settle = film => (!paused && seen.has(film) ? film.play().catch(() => {}) : film.pause());

  for (const film of films) {
    film.removeAttribute('autoplay');
    // Some browsers play no data: video; the same bytes as a blob they do.
    film.addEventListener('error', () => {
      if (!film.src.startsWith('data:')) return;
      const bytes = Uint8Array.from(atob(film.src.split(',')[1]), letter => letter.charCodeAt(0));
      film.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
      settle(film);
    });
  }
  if ('IntersectionObserver' in window) {
    const watch = new IntersectionObserver(entries => {
      for (const { target, isIntersecting } of entries) {
        isIntersecting ? seen.add(target) : seen.delete(target);
        settle(target);
      }
    }, { rootMargin: '80px' });
    films.forEach(film => watch.observe(film));
  } else {
    films.forEach(film => { seen.add(film); settle(film); });
  }

  const hold = [...document.querySelectorAll('[data-hold]')];
  const slow = [...document.querySelectorAll('[data-slow]')];
  const show = () => hold.forEach(button => {
    button.textContent = paused ? 'Play the videos' : 'Pause the videos';
    button.setAttribute('aria-pressed', String(paused));
  });
  hold.forEach(button => button.addEventListener('click', () => { paused = !paused; show(); films.forEach(settle); }));
  slow.forEach(button => button.addEventListener('click', () => {
    const half = button.getAttribute('aria-pressed') !== 'true';
    slow.forEach(other => other.setAttribute('aria-pressed', String(half)));
    films.forEach(film => { film.playbackRate = half ? 0.5 : 1; });
  }));
  [...hold, ...slow].forEach(button => { button.hidden = false; });
  still.addEventListener('change', () => { paused = still.matches; show(); films.forEach(settle); });
  show();

  for (const button of document.querySelectorAll('[data-copy]')) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(button.closest('.command').querySelector('code').textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Not copied';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1600);
    });
  }

  const links = new Map([...document.querySelectorAll('nav a')].map(link => [link.hash.slice(1), link]));
  const sections = [...links.keys()].map(id => document.getElementById(id)).filter(Boolean);
  const bar = document.querySelector('nav ul');
  let current = null;
  const follow = () => {
    const at = sections.filter(section => section.getBoundingClientRect().top < innerHeight * 0.35).pop() || sections[0];
    if (!at || at === current) return;
    current = at;
    for (const [id, link] of links) {
      id === at.id ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current');
    }
    const link = links.get(at.id);
    bar.scrollTo({ left: link.offsetLeft - bar.clientWidth / 2 + link.clientWidth / 2 });
  };
  addEventListener('scroll', follow, { passive: true });
  follow();
})();
