// Tables are sorted by a click on a head, and columns of a family are shown or hidden.
(() => {
  const number = cell => { const said = cell.dataset.value; return said === undefined || said === '' ? null : Number(said); };
  for (const table of document.querySelectorAll('table[data-sortable]')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      if (!head.dataset.sort) return;
      head.classList.add('sort');
      head.tabIndex = 0;
      const sort = () => {
        const first = head.dataset.sort === 'asc' ? 'ascending' : 'descending';
        const order = head.getAttribute('aria-sort') === first ? (first === 'ascending' ? 'descending' : 'ascending') : first;
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', order);
        const sign = order === 'ascending' ? 1 : -1;
        const body = table.tBodies[0];
        [...body.rows].sort((a, b) => {
          const [x, y] = [number(a.cells[at]), number(b.cells[at])];
          if (x === null || y === null) {
            if (x === null && y === null) return sign * a.cells[at].textContent.localeCompare(b.cells[at].textContent);
            return x === null ? 1 : -1;
          }
          return sign * (x - y);
        }).forEach(row => body.append(row));
        for (const row of body.rows) row.classList.remove('line');
      };
      head.addEventListener('click', sort);
      head.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(); } });
    });
  }
  const buttons = [...document.querySelectorAll('[data-family]')].filter(one => one.tagName === 'BUTTON');
  buttons.forEach(button => {
    button.hidden = false;
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      for (const cell of document.querySelectorAll(`table.board [data-family="${button.dataset.family}"]`)) cell.hidden = !on;
    });
  });
})();
