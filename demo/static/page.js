// What the pages do by themselves: fetch their part again when told to, start
// jobs and follow them, and keep those who are on old pages there.
(() => {
  const PARTS = {
    refreshJob: '[data-job-detail]',
    refreshJobs: '[data-jobs-page]',
    refreshDocument: '[data-document-detail]',
    refreshDocuments: '[data-documents-page]',
  };

  // Takes the part's new content from the page as the server shows it now.
  async function refresh(part, selector) {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.querySelector(selector);
    if (fresh) part.replaceChildren(...fresh.childNodes);
    part.dataset.refreshes = Number(part.dataset.refreshes || 0) + 1;
  }

  // A burst of events costs two fetches: one under way and one for the rest.
  function coalesce(work) {
    let running = false;
    let again = false;
    return async () => {
      again = true;
      if (running) return;
      running = true;
      while (again) {
        again = false;
        await work().catch(() => {}); // the next event tries again
      }
      running = false;
    };
  }

  for (const [name, selector] of Object.entries(PARTS)) {
    const part = document.querySelector(selector);
    part?.addEventListener(name, coalesce(() => refresh(part, selector)));
  }

  function cookie(name) {
    return document.cookie.split('; ').find((c) => c.startsWith(`${name}=`))?.slice(name.length + 1) || '';
  }

  // Follows the newest job only: over HTTP/1.1 a browser has six connections.
  let following = null;
  function follow(job, output) {
    following?.close();
    following = new EventSource(`/api/pipelines/stream?job_id=${encodeURIComponent(job)}`);
    following.onmessage = ({ data }) => {
      const { stage, detail } = JSON.parse(data).data;
      output.textContent = [stage, detail].filter(Boolean).join(' · ');
      if (['finished', 'failed', 'stopped'].includes(stage)) following.close();
    };
  }

  async function start(form, output) {
    const answer = await fetch('/jobs', {
      method: 'POST',
      headers: { 'X-CSRF-Token': cookie('csrf_token') },
      body: new URLSearchParams(new FormData(form)),
    });
    if (!answer.ok) throw new Error(`refused (${answer.status})`);
    follow((await answer.json()).job_id, output);
  }

  const form = document.querySelector('[data-job-form]');
  form?.addEventListener('submit', (event) => {
    event.preventDefault();
    const output = form.querySelector('output');
    start(form, output).catch((error) => { output.textContent = `Not started: ${error.message}`; });
  });

  const here = new URL(location.href);
  const old = here.pathname === '/dashboard/old' || here.searchParams.get('page') === 'old';
  for (const link of document.querySelectorAll('nav a')) {
    if (link.pathname === here.pathname) link.setAttribute('aria-current', 'page');
    if (old && !/\/(old|new)$/.test(link.pathname)) link.search = '?page=old';
  }
})();
