// The activity feed: puts every new notification on top, as text.
(() => {
  const feed = document.getElementById('activity-feed');
  // The server has rendered the newest already, and live updates bring them again.
  const shown = new Set([...feed.children].map((row) => row.dataset.id));

  // A path of this site or http(s). `//` and `/\` would lead to another host, and so do control characters in between,
  // which browsers leave out.
  const LINK = /^(https?:\/\/|\/(?![/\\]))[^\x00-\x1f\x7f]*$/i;

  function hrefOf({ href, document_id, job_id }) {
    if (href) return LINK.test(href) ? href : null;
    if (document_id) return `/dashboard/documents/${encodeURIComponent(document_id)}`;
    if (job_id) return `/dashboard/jobs/${encodeURIComponent(job_id)}`;
    return null;
  }

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.textContent = text || '';
    return made;
  }

  // Polls say when in RFC 3339, the feed and the stream as the database does. All of it is UTC.
  const asInFeed = (time) => String(time || '').replace('T', ' ').replace('Z', '');

  window.addEventListener('notification:created', ({ detail: n }) => {
    if (shown.has(n.id)) return;
    shown.add(n.id);
    const href = hrefOf(n.context || {});
    const text = element(href ? 'a' : 'span', '', n.text);
    if (href) text.href = href;
    const row = element('li');
    row.dataset.id = n.id;
    row.append(element('span', `dot ${n.level}`), text, element('time', '', asInFeed(n.created_at)));
    feed.prepend(row);
    document.getElementById('activity-empty')?.remove();
  });
})();
