// Light or dark. Not a module: it runs before anything is drawn, so that a page in the dark never flashes.
(() => {
  const CHOICES = ['system', 'light', 'dark'];
  const KEPT = 'voxmesh.theme';
  const root = document.documentElement;

  function kept() {
    try {
      const choice = localStorage.getItem(KEPT);
      return CHOICES.includes(choice) ? choice : 'system';
    } catch {
      return 'system'; // a browser that keeps nothing
    }
  }

  function apply(choice) {
    if (choice === 'system') delete root.dataset.theme;
    else root.dataset.theme = choice;
  }

  apply(kept());

  addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    let choice = kept();
    const show = () => { button.textContent = `Theme: ${choice}`; };
    show();
    button.addEventListener('click', () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      apply(choice);
      show();
      try {
        localStorage.setItem(KEPT, choice);
      } catch { /* it holds until the page is left */ }
    });
  });
})();
